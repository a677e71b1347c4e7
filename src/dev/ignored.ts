/** Folders that nobody edits by hand, or that are not part of what is built; large ones would cost a watch for each folder. */
const folders = new Set(['.git', '.hg', '.svn', '.jj', '.idea', '.vscode', 'node_modules', '__pycache__']);

/** What editors keep beside a file while it is open, or write before they rename it. */
const files = [
  // vim, neovim (also the number that vim tries a folder with)
  /\.sw[a-z]$/,
  /^4913$/,
  // backups: vim, emacs, joe
  /~$/,
  // emacs: lock files and automatic saves
  /^\.#/,
  /^#.*#$/,
  // kate, GNOME's editors, JetBrains' safe writes
  /\.kate-swp$/,
  /^\.goutputstream-/,
  /___jb_(tmp|old)___$/,
  /^\.DS_Store$/,
  // a file that was removed while it is open over NFS
  /^\.nfs[0-9a-f]+$/,
];

/** Whether what has this name is passed over when a folder is watched. */
export function isIgnored(name: string): boolean {
  return folders.has(name) || files.some((pattern) => pattern.test(name));
}
