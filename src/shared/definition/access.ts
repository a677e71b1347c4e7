import { z } from 'zod';

export const consoleAccesses = ['open', 'password', 'off'] as const;

/** A password as crypt(3) keeps it, by SHA-512: what `openssl passwd -6` and `mkpasswd -m sha512` print. */
const passwordHash = z
  .string()
  .regex(
    /^\$6\$(rounds=[1-9]\d{3,8}\$)?[./0-9A-Za-z]{1,16}\$[./0-9A-Za-z]{86}$/,
    'not a password hash: make one with "openssl passwd -6"',
  );

/** Who gets in over the serial console, and what for. */
export const accessSchema = z.strictObject({
  console: z.enum(consoleAccesses),
  password: passwordHash.optional(),
  root_shell: z.boolean(),
});
export type Access = z.infer<typeof accessSchema>;

/** What is so unless an OS definition says otherwise: who holds the cable holds the device. */
export const defaultAccess: Access = { console: 'open', root_shell: true };
