//! From an address to sockets that listen on it.
//!
//! TCP is bound first and without SO_REUSEPORT: it is the lock that keeps a second server from sharing the port
//! unseen, which SO_REUSEPORT on UDP alone would allow. With port 0, UDP takes the number that TCP was given.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use super::datagrams;

/// What we ask the kernel to hold for a busy worker; it may grant less (`net.core.rmem_max`). It takes twice that in
/// its own reckoning, and reckons 768 octets for a query: 5,400 queries, which one core answers within 20 ms. A longer
/// queue would only be of clients that have given up.
const UDP_RECEIVE_BUFFER_OCTETS: usize = 2 << 20;
/// Connections that wait to be accepted.
const TCP_BACKLOG: i32 = 1024;
/// With port 0: how many of TCP's numbers may be taken on UDP before we give up.
const PORT_DRAWS_MAX: usize = 64;

/// Why an address cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// There is no address to listen on.
    #[error("no address for DNS: name one with --dns ADDR:PORT")]
    NoAddress,
    /// One address cannot be bound.
    #[error("cannot listen on {address} ({transport}): {source}{}", Remedy(source))]
    Address {
        /// The address as it was configured.
        address: SocketAddr,
        /// `TCP` or `UDP`.
        transport: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A worker's thread could not be started.
    #[error("cannot start a thread for {address}: {source}; raise the limit on processes (`ulimit -u`)")]
    Thread {
        /// The address that it was to serve.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// What to do about an error.
struct Remedy<'a>(&'a io::Error);

impl fmt::Display for Remedy<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.0.kind() {
            io::ErrorKind::AddrInUse => {
                "; another program listens there (`ss -lntup` shows which): stop it, or choose another --dns ADDR:PORT"
            }
            io::ErrorKind::PermissionDenied => {
                "; ports below 1024 need the capability CAP_NET_BIND_SERVICE: grant it, or choose another --dns ADDR:PORT"
            }
            io::ErrorKind::AddrNotAvailable => {
                "; this machine has no such address (`ip address` shows them): choose another --dns ADDR:PORT"
            }
            _ => "; choose another --dns ADDR:PORT",
        })
    }
}

/// The sockets of one address.
pub(super) struct Bound {
    /// With its real port.
    pub(super) address: SocketAddr,
    pub(super) tcp: TcpListener,
    /// One for each worker.
    pub(super) udp: Vec<Arc<UdpSocket>>,
}

impl Bound {
    /// Binds `address` for TCP and for so many UDP workers.
    pub(super) fn bind(address: SocketAddr, udp_workers: usize) -> Result<Self, BindError> {
        let of = |transport| {
            move |source| BindError::Address {
                address,
                transport,
                source,
            }
        };
        // Those whose number UDP lacks are held, so that the next draw is another one.
        let mut unusable = Vec::new();
        loop {
            let tcp = tcp_listener(address).map_err(of("TCP"))?;
            let real = tcp.local_addr().map_err(of("TCP"))?;
            match udp_sockets(real, udp_workers) {
                Ok(udp) => {
                    return Ok(Self {
                        address: real,
                        tcp,
                        udp,
                    });
                }
                Err(error)
                    if address.port() == 0
                        && error.kind() == io::ErrorKind::AddrInUse
                        && unusable.len() < PORT_DRAWS_MAX =>
                {
                    unusable.push(tcp);
                }
                Err(error) => return Err(of("UDP")(error)),
            }
        }
    }
}

fn tcp_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for connections of the last run in TIME_WAIT; two listeners it does not allow.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(TCP_BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn udp_sockets(address: SocketAddr, workers: usize) -> io::Result<Vec<Arc<UdpSocket>>> {
    // Without SO_REUSEPORT this fails if anybody holds the port, even one who would share it.
    drop(udp_socket(address, false)?);
    (0..workers.max(1))
        .map(|_| udp_socket(address, true).map(Arc::new))
        .collect()
}

fn udp_socket(address: SocketAddr, shared: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if shared {
        socket.set_reuse_port(true)?;
    }
    // Less is no reason not to serve.
    let _ = socket.set_recv_buffer_size(UDP_RECEIVE_BUFFER_OCTETS);
    datagrams::prepare(&socket, address)?;
    socket.bind(&address.into())?;
    Ok(UdpSocket::from(socket))
}
