/**
 * The name of the distribution that Gantry runs on top of, such as `Debian GNU/Linux 12 (bookworm)`; undefined on a
 * device of its own. Set by the service's first process.
 */
export const distribution: string | undefined = process.env.GANTRY_DISTRIBUTION || undefined;
