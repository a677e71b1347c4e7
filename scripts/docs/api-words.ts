import type { FieldWords } from './schema-rows.ts';

/** What each route does, by method and pattern. */
export const routeWords: Record<string, string> = {
  'HEAD /_ping': 'Whether the API answers.',
  'GET /_ping': 'Whether the API answers.',
  'GET /info': 'The device in Docker’s words.',
  'GET /version': 'Versions of the API and of Gantry.',
  'GET /containers/json': 'List the system containers. Query: `all`, `limit`, `filters`.',
  'GET /containers/{id}/json': 'Inspect one.',
  'POST /containers/{id}/start': 'Start it.',
  'POST /containers/{id}/stop': 'Stop it; it stays stopped. Query: `t` (seconds), `signal`.',
  'POST /containers/{id}/restart': 'Restart it. Query: `t`, `signal`.',
  'POST /containers/{id}/kill': 'Send it a signal. Query: `signal`.',
  'POST /containers/{id}/wait': 'Wait until it ends. Query: `condition`.',
  'GET /containers/{id}/logs': 'Its log. Query: `stdout`, `stderr`, `follow`, `tail`, `since`, `until`, `timestamps`.',
  'POST /containers/{id}/attach':
    'What it writes from now on, with or without an upgrade. Query: `stream`, `logs` (also what it wrote before), `stdout`, `stderr`.',
  'GET /containers/{id}/stats': 'What it uses. Query: `stream`, `one-shot`.',
  'GET /containers/{id}/top': 'Its processes.',
  'POST /containers/{id}/exec': 'Make a process in it.',
  'POST /exec/{id}/start': 'Start that process; with an upgrade the connection becomes its streams.',
  'POST /exec/{id}/resize': 'Size of its terminal. Query: `h`, `w`.',
  'GET /exec/{id}/json': 'Whether it runs, and its exit code.',
  'GET /events': 'What happens to system containers. Query: `since`, `until`, `filters`.',
  'GET /images/json': 'The images on the device.',
  'GET /images/{name*}/json': 'Inspect one.',
  'GET /images/{name*}/history': 'How it was made.',
  'DELETE /images/{name*}': 'Remove an image that no revision and no container needs, or one of its names.',
  'POST /images/prune': 'Remove all images that no revision and no container needs.',
  'GET /networks': 'An empty list.',
  'GET /volumes': 'The volumes of the current revision. Query: `filters` (`name`).',
  'GET /volumes/{name}': 'Inspect one.',
  'GET /gantry/v1/device': 'The device: `DeviceInfo`.',
  'GET /gantry/v1/components': 'All components, in the order of the OS definition: a list of `ComponentStatus`.',
  'GET /gantry/v1/logs/{name}':
    'The log of a component: a system container (also one that is no more), the init container, the kernel. Query: `follow`, ' +
    '`tail`, `since`, `until`, `timestamps`, `cursor`. Frames as Docker’s, one a line (1 stdout, 2 stderr); 3 is a sentence ' +
    'of the device about the log; 4 is a place in it: given as `cursor`, another request goes on exactly there.',
  'POST /gantry/v1/power': 'Reboot, or switch off.',
  'POST /gantry/v1/gc': 'Remove what nothing needs any more: `GarbageList`.',
  'PUT /gantry/v1/upgrade':
    'A whole image for the slot not in use: `?image=` is an `UpgradeImage` as JSON, the body its files one after the other. ' +
    'Query: `upload`, the digest of a blob that was sent in parts (the same bytes, or by its `Content-Type` a difference); then ' +
    'without a body. 422 when the device cannot use a difference.',
  'GET /gantry/v1/upgrade/bases':
    'What of an image need not be sent: `UpgradeBases`. Query: `image`, as above. Refused as the image itself would be.',
  'POST /gantry/v1/upgrade': 'Restart into an image that was sent. It stays when everything in it becomes healthy.',
  'GET /gantry/v1/upgrade': 'What became of the newest upgrade: `UpgradeStatus`.',
  'POST /gantry/v1/exec':
    'Make a process in the device’s own namespaces, as `POST /containers/{id}/exec` does in a container.',
  'POST /gantry/v1/images': 'Announce an image. Answers what the device lacks of it: `ImageOffer`.',
  'PUT /gantry/v1/layers/{diffId}':
    'Send a layer: the blob as it is stored, its media type as `Content-Type`, its digest as `X-Gantry-Digest`. ' +
    'Query: `upload`, the digest of a blob that was sent in parts; then without a body.',
  'GET /gantry/v1/layers':
    'Which layers a difference can be against: `LayerInventory`. Query: `list` (`1`: the layers, too).',
  'GET /gantry/v1/layers/{diffId}/recipe':
    'How the exact tar of a layer is made again from its files: the binary form of `src/shared/delta/recipe.ts`, with zstd.',
  'GET /gantry/v1/uploads/{digest}': 'How much of a blob is here: `UploadStatus`.',
  'PATCH /gantry/v1/uploads/{digest}':
    'Send a part of a blob: from the byte `Upload-Offset` on, of `Upload-Length` bytes that the blob has. ' +
    'Answers `UploadStatus`. `Upload-Makes`: how much room what is made of it needs, if that is not a layer.',
  'GET /gantry/v1/revisions': 'The revisions, newest first: `RevisionList`.',
  'GET /gantry/v1/revisions/{number}': 'One revision, whole: its components with images and configuration.',
  'POST /gantry/v1/swap/plan': 'What a swap would do: `SwapPlan`. Nothing is changed.',
  'POST /gantry/v1/swap':
    'Swap components, all or none. A stream of `SwapEvent`. The swap goes on when the connection breaks.',
  'GET /gantry/v1/swap': 'The events of the newest swap from its beginning, followed to its end.',
  'POST /gantry/v1/rollback': 'Go back. A stream of `SwapEvent`.',
};

const digest = '`sha256:` and 64 hexadecimal digits.';

const changeWords = {
  changes: 'What is to become of which component.',
  'changes.name': 'The component.',
  'changes.image': 'Its image; without one it stays as it is.',
  'changes.image.ref': 'What people call the image.',
  'changes.image.digest': `Digest of its manifest: ${digest}`,
  'changes.config': 'What the definition says of it from now on, as in an OS definition. Without it that stays.',
};

/** The fields of the bodies that are sent. */
export const bodyWords = {
  'POST /gantry/v1/images': {
    ref: 'What people call the image.',
    digest: `Digest of the manifest: ${digest}`,
    manifest: 'The manifest’s exact bytes.',
    config: 'The configuration’s exact bytes.',
    base: 'In place of the two: digest of an image that the device has; 422 when it has not.',
    difference:
      'With `base`: both documents as a difference to those of that image (`src/shared/delta/documents.ts`), base64.',
  },
  'POST /gantry/v1/swap': {
    ...changeWords,
    retry: 'Take an image or a configuration that failed before.',
    stable: 'Duration for which all must stay healthy, instead of what their definitions say.',
  },
  'POST /gantry/v1/swap/plan': {
    ...changeWords,
    images: 'Images that the device need not have, as in `POST /gantry/v1/images`.',
    stable: 'As in `POST /gantry/v1/swap`.',
  },
  'POST /gantry/v1/rollback': {
    name: 'Only this component, to what it was before.',
    revision: 'Number of the revision to go back to. Nothing given: the previous one.',
  },
  'POST /gantry/v1/power': { action: 'What to do.' },
  'POST /gantry/v1/gc': { dryRun: 'Only say what would go.' },
  'POST /gantry/v1/upgrade': { id: 'Id of the image, from its `image.json`.' },
  'POST /gantry/v1/exec': {
    Cmd: 'The command; empty for a login shell.',
    Tty: 'Give it a terminal.',
    AttachStdin: 'Send it input.',
    AttachStdout: 'Its output is wanted.',
    AttachStderr: 'Its errors are wanted.',
    Env: 'Variables `NAME=value`.',
    ConsoleSize: 'Rows and columns of the terminal.',
  },
} satisfies Record<string, FieldWords>;

/** Types of src/shared/api that are answered. */
export const answerNames = [
  'DeviceInfo',
  'StorageInfo',
  'ComponentState',
  'Health',
  'ComponentStatus',
  'RevisionState',
  'RevisionSummary',
  'RevisionList',
  'ImageOffer',
  'UploadStatus',
  'LayerInventory',
  'UpgradeBases',
  'SwapAction',
  'PlannedStep',
  'SwapPlan',
  'GarbageItem',
  'GarbageList',
  'SwapStage',
  'SwapEvent',
];
