/** Thrown for names that no component has; the API answers 404. */
export class UnknownComponentError extends Error {
  constructor(name: string) {
    super(`No such container: ${name}`);
    this.name = 'UnknownComponentError';
  }
}
