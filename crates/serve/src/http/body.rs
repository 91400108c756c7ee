//! Bodies: reading them whole, and the ones that are sent.

use std::{
    any::Any,
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::HttpBody;
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, Stream};
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE},
};
use http_body_util::{BodyExt, combinators::BoxBody};
use hyper::body::{Frame, SizeHint};
use serde_json::value::RawValue;

use super::{
    host::conversations::Busy,
    large::{SMALL, Turns},
};
use crate::wire::{Refusal, code};

/// The body of a response. The usual one, a whole answer, costs no more than its bytes.
pub struct Body {
    kind: Kind,
    /// Its connection is not idle before this is sent.
    _busy: Option<Busy>,
}

enum Kind {
    Whole(Option<Bytes>),
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
    /// With what is in use until the last of it was taken.
    Sdk(BoxBody<Bytes, Infallible>, Option<Box<dyn Any + Send>>),
    Routes(axum::body::Body),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Whole(_) => "Body(whole)",
            Kind::Stream(_) => "Body(stream)",
            Kind::Sdk(..) | Kind::Routes(_) => "Body(other)",
        })
    }
}

impl Body {
    fn of(kind: Kind) -> Self {
        Self { kind, _busy: None }
    }

    pub(super) fn until_sent(self, busy: Busy) -> Self {
        Self { _busy: Some(busy), ..self }
    }

    pub(crate) fn empty() -> Self {
        Self::of(Kind::Whole(None))
    }

    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::of(Kind::Whole(Some(bytes.into()).filter(|bytes| !bytes.is_empty())))
    }

    pub(super) fn stream(stream: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self::of(Kind::Stream(Box::pin(stream)))
    }

    /// Nothing more has to run for it.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.kind, Kind::Whole(_))
    }

    pub(super) fn sdk(body: BoxBody<Bytes, Infallible>) -> Self {
        Self::of(Kind::Sdk(body, None))
    }

    /// The same, held in use until it is at its end.
    pub(super) fn using(mut self, used: impl Any + Send) -> Self {
        if let Kind::Sdk(_, held) = &mut self.kind {
            *held = Some(Box::new(used));
        }
        self
    }

    pub(super) fn routes(body: axum::body::Body) -> Self {
        Self::of(Kind::Routes(body))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut self.kind {
            Kind::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Stream(stream) => {
                stream.as_mut().poll_next(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
            Kind::Sdk(body, _) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(|never: Infallible| match never {}))),
            Kind::Routes(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole(bytes) => bytes.is_none(),
            Kind::Stream(_) => false,
            Kind::Sdk(body, _) => body.is_end_stream(),
            Kind::Routes(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Kind::Stream(_) => SizeHint::default(),
            Kind::Sdk(body, _) => body.size_hint(),
            Kind::Routes(body) => body.size_hint(),
        }
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

pub(crate) fn json(reply: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::whole(reply));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

pub(super) fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

pub(crate) fn refuse(refusal: Refusal, id: Option<&RawValue>) -> Response<Body> {
    let mut response = json(refusal.to_json(id));
    *response.status_mut() = refusal.status;
    for (name, value) in refusal.headers {
        // There may be several ways in.
        response.headers_mut().append(name, value);
    }
    response
}

/// What was compressed is not unpacked here: it may become any size. RFC 9110 §12.5.3 has the answer say what is taken instead.
pub(crate) fn is_not_encoded(headers: &HeaderMap) -> Result<(), Refusal> {
    if headers.get_all(CONTENT_ENCODING).iter().all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Ok(());
    }
    let message = "the body comes with a `Content-Encoding`, and is taken without; send it as it is";
    let refusal = Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code::INVALID_REQUEST, message);
    Err(refusal.with_header(ACCEPT_ENCODING, HeaderValue::from_static("identity")))
}

/// The whole body, which most often is there already.
pub(crate) async fn read<B>(body: B, limit: usize, timeout: Duration) -> Result<Bytes, Refusal>
where
    B: HttpBody<Data = Bytes>,
{
    read_in_turn(body, limit, timeout, None).await
}

/// The same of a body that does not say how long it is: what turns out to be large waits for its turn to go on.
pub(super) async fn read_in_turn<B>(
    body: B,
    limit: usize,
    timeout: Duration,
    mut turns: Option<Turns<'_>>,
) -> Result<Bytes, Refusal>
where
    B: HttpBody<Data = Bytes>,
{
    let too_large = || {
        let message = format!("the body is larger than {limit} bytes");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, code::INVALID_REQUEST, message)
    };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let collect = async {
        let mut body = std::pin::pin!(body);
        let mut whole = Bytes::new();
        let mut parts = BytesMut::new();
        let mut _turn = None;
        while let Some(frame) = body.frame().await {
            let frame = frame
                .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, code::INVALID_REQUEST, "the body broke off"))?;
            let Ok(data) = frame.into_data() else { continue };
            if whole.len() + parts.len() + data.len() > limit {
                return Err(too_large());
            }
            if let Some(turns) = turns.take_if(|_| whole.len() + parts.len() + data.len() > SMALL) {
                _turn = Some(turns.wait().await?);
            }
            if whole.is_empty() && parts.is_empty() {
                whole = data;
            } else {
                parts.extend_from_slice(&std::mem::take(&mut whole));
                parts.extend_from_slice(&data);
            }
        }
        Ok(if parts.is_empty() { whole } else { parts.freeze() })
    };
    let mut collect = std::pin::pin!(collect);
    // No timer for a body that is there.
    if let Some(bytes) = collect.as_mut().now_or_never() {
        return bytes;
    }
    tokio::time::timeout(timeout, collect).await.unwrap_or_else(|_| {
        Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, code::INVALID_REQUEST, "the body did not arrive in time"))
    })
}
