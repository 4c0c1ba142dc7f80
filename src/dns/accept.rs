//! What follows on an `accept` that failed: nothing, a descriptor that an idle connection gives up, or a pause. Never a
//! listener that ends, and never one that spins (accept(2), "Error handling").

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::connections::Connections;

/// A pause after an error of accepting, and the longest wait for the descriptor of who makes room: nothing spins.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Returns when accepting is worth another try after `error`. That is at once where the error was about one
/// connection alone, and where an idle one has left its descriptor; each return without a pause has taken a connection
/// off the kernel's list or off ours, so nothing spins.
pub(super) async fn recover(listener: &TcpListener, connections: &Connections, error: &io::Error) {
    if concerns_one_connection(error) {
        return;
    }
    // `accept` asks for a descriptor before it looks whether anybody waits, so once the last descriptor is given out
    // the error comes for nobody. Then one is freed for who comes next, but not that of who came just now.
    let leaving = if somebody_waits(listener) {
        connections.evict_any()
    } else {
        connections.evict_older()
    };
    match leaving {
        Some(leaving) if descriptors_ran_out(error) => drop(timeout(ACCEPT_PAUSE, leaving.left()).await),
        // Whatever else the system lacks, one connection less may not be enough of it.
        _ => tokio::time::sleep(ACCEPT_PAUSE).await,
    }
}

fn descriptors_ran_out(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

fn somebody_waits(listener: &TcpListener) -> bool {
    let mut asked = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    poll(&mut asked, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// Errors that `accept` reports about the connection it would have returned (accept(2), "Error handling").
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    ) || matches!(error.raw_os_error(), Some(libc::EPROTO | libc::EINTR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_of_one_connection_are_passed_over_without_a_pause() {
        for (errno, passed_over) in [
            (libc::ECONNABORTED, true),
            (libc::EPROTO, true),
            (libc::EINTR, true),
            (libc::EMFILE, false),
            (libc::ENFILE, false),
            (libc::ENOBUFS, false),
            (libc::EINVAL, false),
        ] {
            assert_eq!(
                concerns_one_connection(&io::Error::from_raw_os_error(errno)),
                passed_over,
                "{errno}"
            );
        }
    }
}
