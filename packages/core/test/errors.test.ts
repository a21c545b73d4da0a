import { describe, expect, it } from 'vitest';
import { PgtableError, isPgtableError } from '../src/index.js';

describe('PgtableError', () => {
  it('is known by shape', () => {
    expect(isPgtableError(new PgtableError('EINVAL', 'x'))).toBe(true);
    expect(isPgtableError(new Error('x'))).toBe(false);
  });
});
