//! Sockets: UDP workers, TCP connections, the slow path.
