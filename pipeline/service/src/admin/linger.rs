//! Bodies of requests whose answer does not wait for them.
//!
//! Who is refused while he still sends hears why only if what he sends is taken off the connection meanwhile: closed with
//! bytes unread, a connection is reset, and the answer may go with it (RFC 9112, section 9.6).
//!
//! Invariants: what is read past the answer is kept nowhere and has a bound in bytes and one in time, which begins with the
//! request, so that a body that came too slowly gets no more of it; who waits to be asked for a body is not asked.

use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::{Request, header};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// How much of a body is read after its answer.
#[derive(Clone, Copy, Debug)]
pub struct Linger {
    /// Bytes, at most.
    pub bytes_max: usize,
    /// From the request's head.
    pub timeout: Duration,
}

impl Linger {
    /// Where no route takes a body.
    pub const NONE: Self = Self {
        bytes_max: 0,
        timeout: Duration::ZERO,
    };

    /// Has the body read on when it is let go.
    pub(super) fn on(self, request: Request<Incoming>) -> Request<Lingering> {
        let waits = request.headers().contains_key(header::EXPECT);
        request.map(|body| Lingering {
            body: Some(body),
            comes: !waits,
            bytes_max: self.bytes_max,
            until: Instant::now() + self.timeout,
        })
    }
}

/// A body that is read on when it is let go.
pub(super) struct Lingering {
    /// None once it has come to its end.
    body: Option<Incoming>,
    /// Whether its sender need not be asked for it any more.
    comes: bool,
    bytes_max: usize,
    until: Instant,
}

impl Body for Lingering {
    type Data = <Incoming as Body>::Data;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.comes = true;
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let rest = self.body.take().filter(|body| self.comes && !body.is_end_stream());
        // Without a runtime, there is no connection either.
        if let (Some(rest), Ok(runtime)) = (rest, tokio::runtime::Handle::try_current()) {
            runtime.spawn(tokio::time::timeout_at(self.until, read_on(rest, self.bytes_max)));
        }
    }
}

async fn read_on(mut body: Incoming, bytes_max: usize) {
    let mut left = bytes_max;
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, |data| data.len());
        match left.checked_sub(bytes) {
            Some(less) => left = less,
            None => return,
        }
    }
}
