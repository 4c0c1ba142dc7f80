//! What must hold of every answer to any octets: more than that nothing panics.

mod catalog;
mod framing;
mod packet;
mod query;
mod zone_file;

pub use framing::check as framing;
pub use packet::check as packet;
pub use zone_file::check as zone_file;
