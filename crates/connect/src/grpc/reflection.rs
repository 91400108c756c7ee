//! Asks a server what it offers: `grpc.reflection.v1`, or `v1alpha` where the server is older. What it may say is bounded.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{DescriptorPool, prost::Message as _, prost_types::FileDescriptorProto};
use tonic::{Code, Status};

use super::{channel::Channel, descriptors};
use crate::http::{Class, Error};

const MOST_FILES: usize = 2_000;
const MOST_BYTES: usize = 16 << 20;

/// A question, in either version of the service.
#[derive(Debug, Clone)]
enum Question {
    Services,
    Symbol(String),
    File(String),
}

/// What it came to.
#[derive(Debug)]
enum Answer {
    Services(Vec<String>),
    Files(Vec<Vec<u8>>),
    /// A status and what the server says.
    Refused(i32, String),
}

/// The files that describe one service.
pub async fn service(channel: &Channel<'_>, name: &str) -> Result<DescriptorPool, Error> {
    files_of(channel, vec![Question::Symbol(name.to_owned())]).await
}

/// Those of all services, but of reflection itself.
pub async fn everything(channel: &Channel<'_>) -> Result<DescriptorPool, Error> {
    let mut services = Vec::new();
    for answer in ask(channel, vec![Question::Services]).await? {
        match answer {
            Answer::Services(names) => services.extend(names),
            Answer::Refused(code, message) => return Err(refused(channel, code, &message)),
            Answer::Files(_) => {}
        }
    }
    services.retain(|name| !name.starts_with("grpc.reflection."));
    files_of(channel, services.into_iter().map(Question::Symbol).collect()).await
}

/// Files may name others that did not come with them: those are asked for, until none is missing.
async fn files_of(channel: &Channel<'_>, questions: Vec<Question>) -> Result<DescriptorPool, Error> {
    let wrong = |what: String| Error::new(Class::BadResponse, format!("`{}` {what}", channel.name()));
    let (ours, mut files, mut bytes) = (DescriptorPool::global(), BTreeMap::new(), 0);
    let mut next = questions;
    while !next.is_empty() {
        for answer in ask(channel, next).await? {
            match answer {
                Answer::Files(encoded) => {
                    for file in encoded {
                        bytes += file.len();
                        if bytes > MOST_BYTES || files.len() >= MOST_FILES {
                            return Err(wrong("describes itself by more than 2,000 files or 16 MiB".to_owned()));
                        }
                        let file = FileDescriptorProto::decode(&*file)
                            .map_err(|error| wrong(format!("describes itself by what can't be read: {error}")))?;
                        files.entry(file.name().to_owned()).or_insert(file);
                    }
                }
                Answer::Refused(code, message) => return Err(refused(channel, code, &message)),
                Answer::Services(_) => {}
            }
        }
        let missing: BTreeSet<&String> = files
            .values()
            .flat_map(|file: &FileDescriptorProto| &file.dependency)
            .filter(|name| !files.contains_key(*name) && ours.get_file_by_name(name).is_none())
            .collect();
        if missing.len() > MOST_FILES {
            return Err(wrong("describes itself by more than 2,000 files".to_owned()));
        }
        let before = files.len();
        next = missing.into_iter().map(|name| Question::File(name.clone())).collect();
        if !next.is_empty() && before == 0 {
            return Err(wrong("does not describe what it names".to_owned()));
        }
    }
    descriptors::pool(files.into_values().collect())
        .map_err(|error| wrong(format!("describes itself by what does not fit together: {error}")))
}

fn refused(channel: &Channel<'_>, code: i32, message: &str) -> Error {
    channel.error(&Status::new(Code::from_i32(code), message))
}

/// All questions in one stream, so that they cost one round.
async fn ask(channel: &Channel<'_>, questions: Vec<Question>) -> Result<Vec<Answer>, Error> {
    let asked = questions.len();
    let answers = match v1::ask(channel, questions.clone()).await {
        Err(status) if status.code() == Code::Unimplemented => v1alpha::ask(channel, questions).await,
        answers => answers,
    };
    let answers = answers.map_err(|status| {
        if status.code() == Code::Unimplemented {
            let message = format!(
                "`{}` does not say what it offers (no server reflection): put `descriptors` with a file of \
                 `protoc --include_imports --descriptor_set_out` on the connection",
                channel.name()
            );
            return Error::new(Class::Configuration, message);
        }
        channel.error(&status)
    })?;
    if answers.len() < asked {
        let message =
            format!("`{}` answered {} of {asked} questions about what it offers", channel.name(), answers.len());
        return Err(Error::new(Class::BadResponse, message));
    }
    Ok(answers)
}

/// The two versions are equal but for their names.
macro_rules! version {
    ($version:ident) => {
        mod $version {
            use tonic::Status;
            use tonic_reflection::pb::$version::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
            };

            use super::{Answer, MOST_BYTES, Question};
            use crate::grpc::channel::Channel;

            pub async fn ask(channel: &Channel<'_>, questions: Vec<Question>) -> Result<Vec<Answer>, Status> {
                let asked = questions.len();
                let requests = questions.into_iter().map(|question| ServerReflectionRequest {
                    host: String::new(),
                    message_request: Some(match question {
                        Question::Services => MessageRequest::ListServices(String::new()),
                        Question::Symbol(name) => MessageRequest::FileContainingSymbol(name),
                        Question::File(name) => MessageRequest::FileByFilename(name),
                    }),
                });
                let requests = futures_util::stream::iter(requests.collect::<Vec<_>>());
                let mut client = ServerReflectionClient::new(channel.clone()).max_decoding_message_size(MOST_BYTES);
                let mut stream = client.server_reflection_info(requests).await?.into_inner();
                let mut answers = Vec::new();
                while answers.len() < asked
                    && let Some(response) = stream.message().await?
                {
                    answers.push(match response.message_response {
                        Some(MessageResponse::FileDescriptorResponse(files)) => {
                            Answer::Files(files.file_descriptor_proto)
                        }
                        Some(MessageResponse::ListServicesResponse(list)) => {
                            Answer::Services(list.service.into_iter().map(|service| service.name).collect())
                        }
                        Some(MessageResponse::ErrorResponse(error)) => {
                            Answer::Refused(error.error_code, error.error_message)
                        }
                        _ => Answer::Files(Vec::new()),
                    });
                }
                Ok(answers)
            }
        }
    };
}

version!(v1);
version!(v1alpha);
