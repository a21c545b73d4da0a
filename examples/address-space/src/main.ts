import { addressSpace } from './address-space.js';
import { MACHINES } from './machines.js';

const [name = 'x86'] = process.argv.slice(2);
const machine = MACHINES.get(name);
if (machine === undefined) {
  console.error(`there is no machine ${name}: give one of ${[...MACHINES.keys()].join(', ')}`);
  process.exitCode = 2;
} else {
  addressSpace(machine, (line) => { console.log(line); });
}
