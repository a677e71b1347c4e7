import { nearestNames, suggestion } from './nearest.ts';

/** The device's API refused something. `status` is the HTTP status; the message is the device's, sanitised. */
export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
  }
}

/** No component of the device has this name. */
export class UnknownComponentError extends Error {
  readonly component: string;
  readonly nearest: string[];
  constructor(component: string, known: string[]) {
    super(`there is no component ${JSON.stringify(component)} on this device. ${suggestion(component, known)}`.trim());
    this.name = 'UnknownComponentError';
    this.component = component;
    this.nearest = nearestNames(component, known);
  }
}

/** The person's `-d`, `GANTRY_DEVICE` or its absence does not lead to a device. */
export class UnknownDeviceError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnknownDeviceError';
  }
}

/** An image that was named cannot be read, or is not what it says it is. Nothing on the device was touched. */
export class ImageError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'ImageError';
  }
}
