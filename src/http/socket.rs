//! The sockets of the HTTP side: how one listens, and which protocol a connection begins with.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};

/// Connections that wait in the kernel to be accepted.
const BACKLOG: i32 = 1024;
/// After so much silence the kernel asks whether the other end is still there, and then this often.
const ALIVE_EVERY: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(15));
/// Questions without an answer after which a connection is broken.
const ALIVE_RETRIES: u32 = 4;

/// Octets of replies that the kernel takes and has not sent yet, for a connection. Without it a client that does not read is
/// noticed only when some megabytes lie there, and ten thousand of them hold all the memory that the kernel has for TCP.
#[cfg(target_os = "linux")]
const UNSENT_OCTETS_MAX: u32 = 128 << 10;

/// Listens at `address`.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart finds connections of its forerunner in TIME_WAIT; a listener that lives is an error all the same.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // A client whose machine is gone says nothing. A watch of lines on which nothing happens says nothing either, and would
    // keep its place for ever. What is accepted has this from here.
    let alive = TcpKeepalive::new()
        .with_time(ALIVE_EVERY.0)
        .with_interval(ALIVE_EVERY.1)
        .with_retries(ALIVE_RETRIES);
    socket.set_tcp_keepalive(&alive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(UNSENT_OCTETS_MAX)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Waits for the first octets of a connection, and leaves them where they are; whether they can only be HTTP/1. hyper's
/// own way to tell reads them away, and then takes a second buffer of 8 KiB to put the rest of the head beside them,
/// which a watcher keeps for as long as it watches.
pub(super) async fn is_http1(stream: &TcpStream) -> bool {
    let mut first = [0; HTTP2.len()];
    match stream.peek(&mut first).await {
        // Where a few octets leave it open, hyper waits for more.
        Ok(octets) => !HTTP2.starts_with(&first[..octets]),
        // It will be told in a moment.
        Err(_) => true,
    }
}

/// How a connection of HTTP/2 begins (RFC 9113 §3.4), as far as no method of HTTP/1 does.
const HTTP2: &[u8] = b"PRI ";

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use socket2::SockRef;
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn connected() -> (TcpStream, TcpStream) {
        let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let client = TcpStream::connect(listener.local_addr().expect("an address"))
            .await
            .expect("it listens");
        let (accepted, _) = listener.accept().await.expect("a connection");
        (client, accepted)
    }

    #[tokio::test]
    async fn a_client_whose_machine_is_gone_is_noticed_within_two_minutes() {
        let (_client, accepted) = connected().await;
        let socket = SockRef::from(&accepted);
        assert!(socket.keepalive().expect("an option"));
        let all = socket.tcp_keepalive_time().expect("an option")
            + socket.tcp_keepalive_interval().expect("an option")
                * socket.tcp_keepalive_retries().expect("an option");
        assert_eq!(all, Duration::from_secs(120));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_kernel_takes_little_for_a_client_that_does_not_read() {
        let (_client, accepted) = connected().await;
        let bound = SockRef::from(&accepted).tcp_notsent_lowat().expect("an option");
        assert_eq!(bound, UNSENT_OCTETS_MAX);
    }

    #[tokio::test]
    async fn the_first_octets_tell_http_1_and_stay_where_they_are() {
        for (first, wanted) in [
            ("GET / HTTP/1.1", true),
            ("PUT / HTTP/1.1", true),
            ("PRI * HTTP/2.0", false),
            ("PR", false),
            ("P", false),
        ] {
            let (mut client, accepted) = connected().await;
            client.write_all(first.as_bytes()).await.expect("it is sent");
            assert_eq!(is_http1(&accepted).await, wanted, "{first}");
            let mut there = [0; 64];
            assert_eq!(accepted.peek(&mut there).await.expect("octets"), first.len());
        }
        let (client, accepted) = connected().await;
        drop(client);
        let ended = is_http1(&accepted).await;
        assert!(!ended, "hyper sees the end");
    }
}
