import { rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { z } from 'zod';
import { ContainerSupervisor } from '../../../init-container/supervisor/supervisor.ts';
import { componentSpecSchema } from '../../../src/shared/definition/revision.ts';

const path = '/run/driver.sock';

const callSchema = z.discriminatedUnion('method', [
  z.object({ method: z.literal('setSpec'), name: z.string(), spec: componentSpecSchema }),
  z.object({ method: z.literal('prepareForSwap'), name: z.string(), spec: componentSpecSchema }),
  z.object({ method: z.literal('stopForSwap'), name: z.string() }),
  z.object({ method: z.literal('startForSwap'), name: z.string() }),
  z.object({ method: z.literal('startBesideForSwap'), name: z.string() }),
  z.object({ method: z.literal('settleForSwap'), name: z.string(), keep: z.enum(['old', 'new']) }),
  z.object({ method: z.literal('waitHealthy'), name: z.string() }),
]);

function carryOut(supervisor: ContainerSupervisor, call: z.infer<typeof callSchema>): Promise<void> | void {
  switch (call.method) {
    case 'setSpec':
      return supervisor.setSpec(call.name, call.spec);
    case 'prepareForSwap':
      return supervisor.prepareForSwap(call.name, call.spec);
    case 'settleForSwap':
      return supervisor.settleForSwap(call.name, call.keep);
    case 'waitHealthy':
      return supervisor.waitHealthy(call.name, AbortSignal.timeout(20_000));
    default:
      return supervisor[call.method](call.name);
  }
}

function serve(supervisor: ContainerSupervisor): void {
  rmSync(path, { force: true });
  createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => {
      text += chunk;
    });
    request.on('end', async () => {
      try {
        await carryOut(supervisor, callSchema.parse(JSON.parse(text)));
        response.end('{}');
      } catch (error) {
        response.writeHead(500).end((error as Error).message);
      }
    });
  }).listen(path);
}

const { adopt } = ContainerSupervisor.prototype;
ContainerSupervisor.prototype.adopt = async function (this: ContainerSupervisor) {
  await adopt.call(this);
  serve(this);
};
