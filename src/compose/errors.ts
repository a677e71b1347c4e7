/** A mistake in what a person wrote: `where` is `file:line` when known. Shown without a stack. */
export class ComposeError extends Error {
  readonly where: string | undefined;
  constructor(message: string, where?: string) {
    super(where === undefined ? message : `${where}: ${message}`);
    this.name = 'ComposeError';
    this.where = where;
  }
}
