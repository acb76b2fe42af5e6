/** User scheduler: which lwp gets a virtual CPU. (Room head.) */
export interface UschedState {
  /** Virtual CPU held, or -1. */
  vcpu: number;
}
