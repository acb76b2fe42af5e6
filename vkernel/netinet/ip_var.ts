/**
 * What protocols above IP use of it.
 *
 * Counterpart: sys/netinet/ip_var.h
 */
export * from './ip_proto.js';
export { ipMtu, ipOutput, ipSetPmtu, ipSourceFor } from './ip_output.js';
