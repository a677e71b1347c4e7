/** Version of Gantry, the same on host and device. Kept equal to package.json by a test. */
export const gantryVersion = '0.1.0';
