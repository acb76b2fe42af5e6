/** Open files and descriptor tables. (Room head; kern_descrip fills it in.) */
export interface FileDesc {
  refs: number;
}
