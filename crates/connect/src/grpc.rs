//! A bounded gRPC client for one server: what its methods take and answer is said by descriptors, from a file or asked of the
//! server itself (reflection), so that messages are JSON here.
//!
//! Framing and status are tonic's, the mapping to JSON is prost-reflect's. The requests go through the HTTP client, with its
//! guard of addresses, its credentials and its turns at a host.

mod channel;
mod codec;
mod descriptors;
mod reflection;

use std::{sync::Arc, time::Duration};

use ::http::{HeaderMap, HeaderName, uri::PathAndQuery};
use prost_reflect::{DeserializeOptions, DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::Value;
use tokio::time::Instant;
use tonic::{Code, Status, metadata::MetadataMap};

use crate::{
    Denied, Policy, Secrets,
    http::{self, Class, ClientConfig, Error, Protocol},
};
use channel::Channel;
use codec::Dynamic;
use descriptors::Descriptors;

pub use descriptors::{DescriptorError, find, parse_descriptors};
pub use prost_reflect::DescriptorPool;

/// How long a stream that has given all that was wanted may take to say that it is over.
const LAST_LOOK: Duration = Duration::from_millis(50);

/// Shared by all calls to one server; keeps its connection, and what it said of itself.
#[derive(Debug)]
pub struct Client {
    http: http::Client,
    descriptors: Descriptors,
}

#[derive(Debug)]
pub struct Call<'a> {
    /// `package.Service/Method`.
    pub method: &'a str,
    /// The request, by the JSON mapping of Protocol Buffers.
    pub message: Value,
    pub metadata: HeaderMap,
    /// On whose behalf: nobody has all turns at a host.
    pub caller: Option<&'a str>,
    pub timeout: Duration,
    /// Of one message of the answer, and of all of them.
    pub max_bytes: usize,
    /// Of a stream of answers.
    pub max_messages: u64,
}

/// What came back, by the JSON mapping of Protocol Buffers, with the fields that have their default.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    One(Value),
    /// The method streams its answers.
    Many {
        messages: Vec<Value>,
        cut: Option<Cut>,
    },
}

/// Why a stream was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    Messages,
    Bytes,
    /// It was still going on when the call had to end.
    Time,
}

impl Client {
    /// Checks the configuration against the policy. Does no IO. Without descriptors the server is asked for them.
    pub fn new(
        config: ClientConfig,
        descriptors: Option<DescriptorPool>,
        secrets: Arc<dyn Secrets>,
        policy: Arc<Policy>,
    ) -> Result<Self, Denied> {
        let config = ClientConfig { protocol: Protocol::Grpc, ..config };
        Ok(Self { http: http::Client::new(config, secrets, policy)?, descriptors: Descriptors::new(descriptors) })
    }

    #[must_use]
    pub fn name(&self) -> &str {
        self.http.name()
    }

    /// Whether the server has a method; `None` where only itself knows.
    #[must_use]
    pub fn has(&self, method: &str) -> Option<bool> {
        self.descriptors.has(method)
    }

    /// The answer, or what the server or the way to it has to say.
    pub async fn call(&self, call: Call<'_>) -> Result<Reply, Error> {
        let deadline = Instant::now() + call.timeout;
        let work = Box::pin(self.authorised(call, deadline));
        tokio::time::timeout_at(deadline, work)
            .await
            .unwrap_or_else(|_| Err(Error::new(Class::Timeout, format!("`{}` did not answer in time", self.name()))))
    }

    /// Everything that the server offers, as it says itself.
    pub async fn describe(&self, timeout: Duration) -> Result<DescriptorPool, Error> {
        let work = async {
            let channel = Channel::open(&self.http, None, None).await?;
            reflection::everything(&channel).await
        };
        tokio::time::timeout(timeout, Box::pin(work)).await.unwrap_or_else(|_| {
            Err(Error::new(Class::Timeout, format!("`{}` did not describe itself in time", self.name())))
        })
    }

    /// Where the credential was an old token and is refused, once more with a new one.
    async fn authorised(&self, call: Call<'_>, deadline: Instant) -> Result<Reply, Error> {
        let channel = Channel::open(&self.http, call.caller, None).await?;
        match self.attempt(&channel, &call, deadline).await {
            Err(Failure::Unauthenticated(_)) if channel.kept_token().is_some() => {
                let rejected = channel.kept_token().cloned();
                drop(channel);
                let channel = Channel::open(&self.http, call.caller, rejected.as_ref()).await?;
                self.attempt(&channel, &call, deadline).await.map_err(Failure::into_error)
            }
            outcome => outcome.map_err(Failure::into_error),
        }
    }

    async fn attempt(&self, channel: &Channel<'_>, call: &Call<'_>, deadline: Instant) -> Result<Reply, Failure> {
        let method = self.descriptors.method(channel, call.method).await?;
        if method.is_client_streaming() {
            let message = format!("`{}` takes a stream of requests, which a call can't send", call.method);
            return Err(Error::new(Class::BadRequest, message).into());
        }
        let message = decode(&method, call.message.clone())?;
        let mut request = tonic::Request::new(message);
        *request.metadata_mut() = MetadataMap::from_headers(call.metadata.clone());
        request.set_timeout(deadline.saturating_duration_since(Instant::now()));
        let path = PathAndQuery::try_from(format!("/{}", call.method))
            .map_err(|_| Error::new(Class::BadRequest, format!("`{}` is no name of a method", call.method)))?;
        let mut grpc = tonic::client::Grpc::new(channel.clone()).max_decoding_message_size(call.max_bytes);
        let codec = Dynamic(method.output());
        let failed = |status: Status| channel.failure(&status);
        if !method.is_server_streaming() {
            let answer = grpc.unary(request, path, codec).await.map_err(failed)?;
            return Ok(Reply::One(encode(&answer.into_inner())?));
        }
        let mut stream = grpc.server_streaming(request, path, codec).await.map_err(failed)?.into_inner();
        let (mut messages, mut room) = (Vec::new(), call.max_bytes);
        // Many streams never end: what came in time is an answer.
        let enough = deadline - (call.timeout / 20).min(Duration::from_millis(200));
        let cut = loop {
            let full = messages.len() as u64 >= call.max_messages;
            let wait = if full { enough.min(Instant::now() + LAST_LOOK) } else { enough };
            let message = match tokio::time::timeout_at(wait, stream.message()).await {
                Ok(message) => message.map_err(failed)?,
                Err(_) => break Some(if full { Cut::Messages } else { Cut::Time }),
            };
            let Some(message) = message else { break None };
            if full {
                break Some(Cut::Messages);
            }
            let message = encode(&message)?;
            let size = message.to_string().len();
            if size > room {
                break Some(Cut::Bytes);
            }
            room -= size;
            messages.push(message);
        };
        Ok(Reply::Many { messages, cut })
    }
}

/// Set by gRPC itself, or by the connection.
#[must_use]
pub fn is_reserved(metadata: &HeaderName) -> bool {
    let name = metadata.as_str();
    name.starts_with("grpc-") || matches!(name, "te" | "content-type" | "content-length" | "host" | "connection")
}

/// Of a call that has no answer.
#[derive(Debug)]
enum Failure {
    Unauthenticated(Error),
    Other(Error),
}

impl Failure {
    fn into_error(self) -> Error {
        let (Self::Unauthenticated(error) | Self::Other(error)) = self;
        error
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Channel<'_> {
    /// What was refused, as the server says, without the credential that it may repeat.
    fn failure(&self, status: &Status) -> Failure {
        let error = self.error(status);
        if status.code() == Code::Unauthenticated { Failure::Unauthenticated(error) } else { Failure::Other(error) }
    }
}

/// Names that the message does not have are refused: a request that says less than was meant is worse than none.
fn decode(method: &MethodDescriptor, message: Value) -> Result<DynamicMessage, Error> {
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    DynamicMessage::deserialize_with_options(method.input(), message, &options).map_err(|error| {
        let message = format!("the request is no `{}`: {error}", method.input().full_name());
        Error::new(Class::BadRequest, message)
    })
}

fn encode(message: &DynamicMessage) -> Result<Value, Error> {
    let options = SerializeOptions::new().skip_default_fields(false);
    message.serialize_with_options(serde_json::value::Serializer, &options).map_err(|error| {
        let message = format!("the answer has something that JSON can't say: {error}");
        Error::new(Class::BadResponse, message)
    })
}
