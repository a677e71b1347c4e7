/** What bundled CommonJS packages find under these names: the bundle's own place. */
export const __dirname = import.meta.dirname;
export const __filename = import.meta.filename;
