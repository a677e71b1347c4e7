/** Why a link could not be had. `version`: the device speaks another version of the protocol. */
export class LinkError extends Error {
  readonly code: 'timeout' | 'version' | 'closed' | 'aborted';
  constructor(code: LinkError['code'], message: string) {
    super(message);
    this.name = 'LinkError';
    this.code = code;
  }
}
