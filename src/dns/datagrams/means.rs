//! The system calls of a batch, and what is used instead where one is missing.
#![allow(unsafe_code)]

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use super::Wait;

/// Refusals of segments in a row after which a socket does without: one may be one client's route.
const REFUSALS_MAX: u32 = 16;
/// What the system turned out to have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Means {
    /// `recvmmsg`, `sendmmsg`.
    pub(super) many: bool,
    /// `UDP_SEGMENT`.
    pub(super) segments: bool,
    /// Refusals of it since it last worked.
    refusals: u32,
}

impl Means {
    /// Everything, until the system says otherwise.
    pub(super) fn all() -> Self {
        Self {
            many: true,
            segments: true,
            refusals: 0,
        }
    }

    /// Segments were sent.
    pub(super) fn note_success(&mut self) {
        self.refusals = 0;
    }

    /// Receives into `headers`, and returns how many datagrams.
    ///
    /// # Safety
    /// Each of `headers` points at memory of the lengths that it says, which nobody else reads or writes meanwhile.
    pub(super) unsafe fn receive(
        &mut self,
        socket: &UdpSocket,
        wait: Wait,
        headers: &mut [libc::mmsghdr],
    ) -> io::Result<usize> {
        if self.many {
            let flags = match wait {
                Wait::ForOne => libc::MSG_WAITFORONE,
                Wait::No => libc::MSG_DONTWAIT,
            };
            // SAFETY: as the caller says. No timeout.
            let received = unsafe {
                libc::recvmmsg(
                    socket.as_raw_fd(),
                    headers.as_mut_ptr(),
                    headers.len() as libc::c_uint,
                    flags as _,
                    std::ptr::null_mut(),
                )
            };
            match usize::try_from(received) {
                Ok(received) => return Ok(received),
                Err(_) => {
                    let error = io::Error::last_os_error();
                    if error.raw_os_error() != Some(libc::ENOSYS) {
                        return Err(error);
                    }
                    self.many = false;
                }
            }
        }
        let flags = match wait {
            Wait::ForOne => 0,
            Wait::No => libc::MSG_DONTWAIT,
        };
        let Some(header) = headers.first_mut() else {
            return Ok(0);
        };
        // SAFETY: as the caller says.
        let octets = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut header.msg_hdr, flags) };
        header.msg_len = u32::try_from(octets).map_err(|_| io::Error::last_os_error())?;
        Ok(1)
    }

    /// Sends what `headers` say, and returns how many of them it was.
    ///
    /// # Safety
    /// Each of `headers` points at memory of the lengths that it says.
    pub(super) unsafe fn send(
        &mut self,
        socket: &UdpSocket,
        headers: &mut [libc::mmsghdr],
    ) -> io::Result<usize> {
        if self.many {
            // SAFETY: as the caller says.
            let sent = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    headers.as_mut_ptr(),
                    headers.len() as libc::c_uint,
                    0,
                )
            };
            match usize::try_from(sent) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => return Ok(sent),
                Err(_) => {
                    let error = io::Error::last_os_error();
                    if error.raw_os_error() != Some(libc::ENOSYS) {
                        return Err(error);
                    }
                    self.many = false;
                }
            }
        }
        // SAFETY: as the caller says.
        match unsafe { libc::sendmsg(socket.as_raw_fd(), &headers[0].msg_hdr, 0) } {
            octets if octets < 0 => Err(io::Error::last_os_error()),
            _ => Ok(1),
        }
    }

    /// Segments were refused: at once for good where the interface cannot do them, else after several times.
    pub(super) fn note_refusal(&mut self, error: &io::Error) {
        self.refusals += 1;
        if error.raw_os_error() == Some(libc::EIO) || self.refusals >= REFUSALS_MAX {
            self.segments = false;
            tracing::info!(%error, "replies of one client leave one by one: the system refuses them as segments");
        }
    }
}
