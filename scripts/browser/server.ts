import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Served {
  readonly bytes: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Server {
  readonly origin: string;
  close(): Promise<void>;
}

/** Serves exactly these paths on a free port of this machine. */
export async function serve(paths: ReadonlyMap<string, Served>): Promise<Server> {
  const server = createServer((request, response) => {
    const found = paths.get(request.url ?? '');
    if (found === undefined) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { ...found.headers, 'content-length': found.bytes.length, 'x-content-type-options': 'nosniff' }).end(found.bytes);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}
