/** Long steps tell whoever started them what goes on. `total` is absent when it is not known beforehand. */
export interface Progress {
  step: string;
  detail?: string;
  doneBytes?: number;
  totalBytes?: number;
}

export type OnProgress = (progress: Progress) => void;
