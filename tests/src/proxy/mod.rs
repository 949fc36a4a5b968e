//! Proxies that fail on demand: before the broker byte for byte, before the search server request for request.

mod search;
mod tcp;

pub use search::{SearchFault, SearchProxy};
pub use tcp::TcpProxy;
