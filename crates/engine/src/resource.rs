//! Resources: texts, files, and what a tool kind answers for the variables of a URI template.

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use mcp_factory_spec::{
    Spec,
    model::{self, ToolKind},
    uri_template::UriTemplate,
};
use mcp_serve::{
    CallContext, Content, Error, ToolResult,
    model::{ContentBlock, ResourceContents},
};
use serde_json::{Map, Value};

use crate::{
    plan::{Builder, Fault},
    tool::{Kind, fixed, http::HttpTool, run_kind, sql::SqlTool},
};

/// Files that are sent as resources.
const LARGEST_FILE: u64 = 8 << 20;
/// As for tools that say nothing else.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

#[derive(Debug, Default)]
pub struct Resources {
    by_uri: HashMap<String, Source>,
    templates: Vec<(UriTemplate, Source)>,
}

#[derive(Debug)]
enum Source {
    Fixed(ResourceContents),
    /// With what the spec says of it, to tell a changed one.
    Kind {
        kind: Kind,
        mime_type: Option<String>,
        content: model::Content,
    },
}

impl Resources {
    pub fn compile(spec: &Spec, builder: &mut Builder<'_>) -> Self {
        let mut resources = Self::default();
        for (position, resource) in spec.resources.iter().enumerate() {
            if let Err(fault) = resources.add(resource, builder) {
                builder.report(format!("resources[{position}]"), fault);
            }
        }
        resources
    }

    fn add(&mut self, resource: &model::Resource, builder: &mut Builder<'_>) -> Result<(), Fault> {
        match &resource.address {
            model::Address::Uri(uri) => {
                let source = source(resource, uri, builder)?;
                self.by_uri.insert(uri.clone(), source);
            }
            model::Address::Template(template) => {
                let parsed = UriTemplate::parse(template).map_err(|problem| problem.to_string())?;
                let source = source(resource, template, builder)?;
                self.templates.push((parsed, source));
            }
        }
        Ok(())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_uri.is_empty() && self.templates.is_empty()
    }

    /// Those with a URI that are made of something else than before.
    pub fn changed_since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a str> {
        let changed = |(uri, now): &(&String, &Source)| before.by_uri.get(*uri).is_some_and(|then| !then.is_same(now));
        self.by_uri.iter().filter(changed).map(|(uri, _)| uri.as_str())
    }

    pub async fn read(&self, cx: &CallContext, uri: &str) -> Result<Vec<ResourceContents>, Error> {
        if let Some(source) = self.by_uri.get(uri) {
            return source.read(cx, uri, Map::new()).await;
        }
        for (template, source) in &self.templates {
            if let Some(variables) = template.matches(uri) {
                let arguments = variables.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
                return source.read(cx, uri, arguments).await;
            }
        }
        Err(unknown(uri))
    }
}

impl Source {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fixed(one), Self::Fixed(other)) => one == other,
            (Self::Kind { content: one, .. }, Self::Kind { content: other, .. }) => one == other,
            _ => false,
        }
    }

    async fn read(
        &self,
        cx: &CallContext,
        uri: &str,
        arguments: Map<String, Value>,
    ) -> Result<Vec<ResourceContents>, Error> {
        match self {
            Self::Fixed(contents) => Ok(vec![relocated(contents.clone(), uri)]),
            Self::Kind { kind, mime_type, .. } => {
                let result = run_kind(kind, "resource", Some(TIMEOUT), cx, arguments).await;
                contents(result, uri, mime_type.as_deref())
            }
        }
    }
}

fn source(resource: &model::Resource, uri: &str, builder: &mut Builder<'_>) -> Result<Source, Fault> {
    if let Some(contents) = fixed_contents(resource, uri, builder)? {
        return Ok(Source::Fixed(contents));
    }
    let model::Content::Kind { connection, kind } = &resource.content else {
        return Err("nothing to read".to_owned().into());
    };
    let connection = connection.as_ref().map(|name| name.as_str());
    let kind = match &**kind {
        ToolKind::Sql(sql) => Kind::Sql(Box::new(SqlTool::of_resource(uri, connection, sql, builder)?)),
        ToolKind::Http(request) => Kind::Http(Box::new(HttpTool::of_resource(uri, connection, request, builder)?)),
        ToolKind::Static(answer) => Kind::Fixed(fixed::compile(answer, builder)?),
        // `support` has refused the others.
        _ => Kind::Stub,
    };
    Ok(Source::Kind { kind, mime_type: resource.mime_type.clone(), content: resource.content.clone() })
}

/// What stands in the spec or in a file beside it; a file is read when the server starts.
pub fn fixed_contents(
    resource: &model::Resource,
    uri: &str,
    builder: &Builder<'_>,
) -> Result<Option<ResourceContents>, String> {
    let mut contents = match &resource.content {
        model::Content::Text(text) => ResourceContents::text(text, uri),
        model::Content::File(file) => match String::from_utf8(builder.read_file(file, LARGEST_FILE)?) {
            Ok(text) => ResourceContents::text(text, uri),
            Err(binary) => ResourceContents::blob(STANDARD.encode(binary.into_bytes()), uri),
        },
        model::Content::Kind { .. } => return Ok(None),
    };
    if let Some(mime_type) = &resource.mime_type {
        contents = contents.with_mime_type(mime_type);
    }
    Ok(Some(contents))
}

fn contents(result: ToolResult, uri: &str, mime_type: Option<&str>) -> Result<Vec<ResourceContents>, Error> {
    let text =
        |text: String, default: &str| ResourceContents::text(text, uri).with_mime_type(mime_type.unwrap_or(default));
    let blocks = match result.content {
        Content::Json(json) | Content::Both { json, .. } if !result.is_error => {
            return Ok(vec![text(json.get().to_owned(), "application/json")]);
        }
        Content::Json(json) | Content::Both { json, .. } => {
            return Err(Error::InvalidParams { message: json.get().to_owned() });
        }
        Content::Blocks(blocks) => blocks,
        // Resources are read at once.
        Content::Task(_) => Vec::new(),
    };
    if result.is_error {
        let message: Vec<&str> =
            blocks.iter().filter_map(|block| block.as_text()).map(|text| text.text.as_str()).collect();
        return Err(Error::InvalidParams { message: message.join("\n") });
    }
    let contents = blocks.into_iter().filter_map(|block| match block {
        ContentBlock::Text(block) => Some(text(block.text, "text/plain")),
        ContentBlock::Image(image) => Some(ResourceContents::blob(image.data, uri).with_mime_type(image.mime_type)),
        ContentBlock::Audio(audio) => Some(ResourceContents::blob(audio.data, uri).with_mime_type(audio.mime_type)),
        ContentBlock::Resource(embedded) => Some(embedded.resource),
        _ => None,
    });
    Ok(contents.collect())
}

/// The same contents under the address that was asked for.
fn relocated(mut contents: ResourceContents, asked: &str) -> ResourceContents {
    match &mut contents {
        ResourceContents::TextResourceContents { uri, .. } | ResourceContents::BlobResourceContents { uri, .. } => {
            asked.clone_into(uri);
        }
        _ => {}
    }
    contents
}

fn unknown(uri: &str) -> Error {
    Error::UnknownResource { uri: uri.chars().take(256).collect() }
}
