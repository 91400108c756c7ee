//! What is known of a server's methods: from a file for good, or from the server, asked once for each service and again when
//! it has a method that was not there before.

use std::{collections::HashMap, time::Duration};

use prost_reflect::{
    DescriptorPool, MethodDescriptor,
    prost::Message as _,
    prost_types::{FileDescriptorProto, FileDescriptorSet},
};
use tokio::{sync::Mutex, time::Instant};

use super::{channel::Channel, reflection};
use crate::http::{Class, Error};

/// A server that does not have a method is not asked for it more often.
const PATIENCE: Duration = Duration::from_secs(5);
/// Services whose descriptions are kept.
const MOST_SERVICES: usize = 256;

#[derive(Debug)]
pub struct Descriptors {
    fixed: Option<DescriptorPool>,
    asked: Mutex<HashMap<String, (Instant, DescriptorPool)>>,
}

/// Bytes that describe nothing.
#[derive(Debug, thiserror::Error)]
#[error("it is no set of file descriptors (`protoc --include_imports --descriptor_set_out`): {0}")]
pub struct DescriptorError(String);

/// A file of descriptors, as `protoc --include_imports --descriptor_set_out=FILE` writes it.
pub fn parse_descriptors(bytes: &[u8]) -> Result<DescriptorPool, DescriptorError> {
    let set = FileDescriptorSet::decode(bytes).map_err(|error| DescriptorError(error.to_string()))?;
    pool(set.file).map_err(|error| DescriptorError(error.to_string()))
}

/// `package.Service` and `Method`.
fn split_method(name: &str) -> Option<(&str, &str)> {
    name.split_once('/').filter(|(service, method)| !service.is_empty() && !method.is_empty())
}

/// The files with those that Protocol Buffers brings along, which are ours.
pub fn pool(files: Vec<FileDescriptorProto>) -> Result<DescriptorPool, prost_reflect::DescriptorError> {
    let mut pool = DescriptorPool::global();
    let others: Vec<_> = files.into_iter().filter(|file| pool.get_file_by_name(file.name()).is_none()).collect();
    pool.add_file_descriptor_protos(others)?;
    Ok(pool)
}

impl Descriptors {
    pub fn new(fixed: Option<DescriptorPool>) -> Self {
        Self { fixed, asked: Mutex::default() }
    }

    /// `None` where only the server knows.
    pub fn has(&self, name: &str) -> Option<bool> {
        Some(find(self.fixed.as_ref()?, name).is_some())
    }

    pub async fn method(&self, channel: &Channel<'_>, name: &str) -> Result<MethodDescriptor, Error> {
        let unknown = || {
            let message = format!("`{}` has no method `{name}`", channel.name());
            Error::new(Class::Configuration, message)
        };
        let (service, _) = split_method(name).ok_or_else(unknown)?;
        if let Some(pool) = &self.fixed {
            return find(pool, name).ok_or_else(unknown);
        }
        let mut asked = self.asked.lock().await;
        match asked.get(service) {
            Some((at, pool)) => {
                if let Some(method) = find(pool, name) {
                    return Ok(method);
                }
                if at.elapsed() < PATIENCE {
                    return Err(unknown());
                }
            }
            None if asked.len() >= MOST_SERVICES => asked.clear(),
            None => {}
        }
        let pool = reflection::service(channel, service).await?;
        let method = find(&pool, name);
        asked.insert(service.to_owned(), (Instant::now(), pool));
        method.ok_or_else(unknown)
    }
}

/// A method by `package.Service/Method`.
#[must_use]
pub fn find(pool: &DescriptorPool, name: &str) -> Option<MethodDescriptor> {
    let (service, method) = split_method(name)?;
    pool.get_service_by_name(service)?.methods().find(|candidate| candidate.name() == method)
}
