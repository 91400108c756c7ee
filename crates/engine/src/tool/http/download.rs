//! What comes back, read piece by piece with its progress told: JSON is selected and cut as it comes, text is cut at the
//! cap, bytes are whole or refused. Whoever has enough drops the rest, which closes the connection.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{StatusCode, header::CONTENT_TYPE};
use mcp_factory_connect::http::Answer;
use mcp_serve::{
    CallContext, Content as Blocks, Progress, ToolResult,
    model::{ContentBlock, ResourceContents},
};
use serde_json::json;

use super::{
    HttpTool,
    media::{Charset, Media},
    paging::{Position, Seen},
    select::{Fault, Next, Rules, Selected, Selector},
};
use crate::{
    answer,
    rows::{Cut, Rows},
};

/// How much of an upstream's complaint the model is shown, in characters, and what is read of it.
const SHOWN: usize = 2000;
const READ_OF_COMPLAINT: usize = 16 << 10;
/// What is read of one answer, however little of it is selected, and whatever the tool's own limits say.
const MOST_READ: u64 = 64 << 20;
/// What is read of an answer that has nothing more to say, so that its connection can be used again.
const TAIL: usize = 64 << 10;
const TAIL_TIME: Duration = Duration::from_millis(50);

/// What of an answer is handed on.
pub enum Content {
    Rows(Rows),
    /// JSON, as itself.
    Object(Vec<u8>),
    /// JSON that is no object.
    Scalar(Vec<u8>),
    Text {
        text: String,
        cut: bool,
    },
    Block(Box<ContentBlock>),
    /// There is none, only a status.
    Nothing(StatusCode),
}

/// Which page of the upstream was asked for.
pub struct Page<'a> {
    pub position: &'a Position,
    /// The query of the first page.
    pub first: &'a [(String, String)],
    pub path: &'a str,
}

/// An answer, with what was read of it.
struct Download<'a> {
    answer: Answer,
    read: u64,
    progress: &'a Progress,
}

pub async fn read(
    tool: &HttpTool,
    answer: Answer,
    page: &Page<'_>,
    cx: &CallContext,
) -> Result<(Content, Option<Position>), String> {
    let status = answer.status;
    let name = tool.upstream();
    let media = Media::of(&answer.headers, tool.json);
    let mut download = Download { answer, read: 0, progress: &cx.progress };
    if !status.is_success() {
        return Err(complaint(name, status, &media, download).await);
    }
    let Some(first) = download.next().await? else { return Ok((Content::Nothing(status), None)) };
    match media {
        Media::Json(charset) => json(tool, download, first, &charset, page).await,
        Media::Text(charset) => Ok((text(tool, download, first, &charset).await?, None)),
        Media::Image(kind) => {
            let data = binary(tool, download, first, &kind).await?;
            Ok((Content::block(ContentBlock::image(data, kind)), None))
        }
        Media::Audio(kind) => {
            let data = binary(tool, download, first, &kind).await?;
            Ok((Content::block(ContentBlock::audio(data, kind)), None))
        }
        Media::Binary(kind) => {
            let data = binary(tool, download, first, &kind).await?;
            // Where it came from, without what may be secret: the connection stands for its URL.
            let uri = format!("connection://{name}{}", page.path);
            let contents = ResourceContents::blob(data, uri).with_mime_type(kind);
            Ok((Content::block(ContentBlock::resource(contents)), None))
        }
    }
}

impl Content {
    fn block(block: ContentBlock) -> Self {
        Self::Block(Box::new(block))
    }

    pub fn into_answer(self, tool: &HttpTool, next_cursor: Option<&str>) -> ToolResult {
        match self {
            Self::Rows(rows) => answer::items(rows, &tool.caps, next_cursor),
            Self::Object(json) => answer::object(json),
            Self::Scalar(json) => answer::scalar(&json),
            Self::Text { text, cut } => answer::text(text, cut.then_some(tool.caps.max_bytes).flatten()),
            Self::Block(block) => ToolResult { content: Blocks::Blocks(vec![*block]), is_error: false },
            Self::Nothing(status) => answer::value(json!({ "status": status.as_u16() })),
        }
    }
}

async fn json(
    tool: &HttpTool,
    mut download: Download<'_>,
    first: Bytes,
    charset: &Charset,
    page: &Page<'_>,
) -> Result<(Content, Option<Position>), String> {
    let name = tool.upstream();
    let rules = Rules {
        select: &tool.select,
        next: tool.pages.as_ref().and_then(|pages| pages.next_pointer()),
        shape: &tool.shape,
        caps: tool.caps,
        skip: page.position.skip,
    };
    let media_type = download.answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let fault = |fault: Fault| match (&fault, &media_type) {
        (Fault::Broken(_), Some(media_type)) if !media_type.contains("json") => {
            format!("the upstream `{name}` answered `{media_type}`, which can't be read as JSON: {fault}")
        }
        _ => format!("the answer of the upstream `{name}` has {fault}"),
    };
    let mut selector = Selector::new(rules);
    if charset.is_utf_8() {
        let mut piece = Some(first);
        while let Some(bytes) = piece {
            if selector.feed(&bytes).map_err(fault)? {
                break;
            }
            piece = download.next().await?;
        }
    } else {
        let whole = download.collect(first, tool.caps.max_bytes).await?;
        let whole =
            whole.ok_or_else(|| format!("the answer of the upstream `{name}` is larger than this tool may answer"))?;
        let text = charset.decode(&whole, false).map_err(|error| format!("the upstream `{name}` answered {error}"))?;
        selector.feed(text.as_bytes()).map_err(fault)?;
    }
    let (selected, next) = selector.finish().map_err(fault)?;
    let mut rows = match selected {
        Selected::Rows(rows) => rows,
        // A list without elements is left out by many upstreams, or null; others of its page may still say where the next one is.
        Selected::Lacking if tool.pages.is_some() => Rows::none(),
        Selected::Scalar(json) if tool.pages.is_some() && json == b"null" => Rows::none(),
        Selected::Lacking => return Err(fault(Fault::Missing(tool.select.to_string()))),
        _ if tool.pages.is_some() => {
            let at = tool.select.to_string();
            return Err(format!("the answer of the upstream `{name}` has no list of items at `{at}` to make pages of"));
        }
        Selected::Object(json) => return Ok((Content::Object(json), None)),
        Selected::Scalar(json) => return Ok((Content::Scalar(json), None)),
    };
    let position = match after(tool, &rows, page, &next, &download.answer) {
        // What is here is worth having, though the upstream leads from it to where nobody follows.
        Err(why) if rows.count > 0 => {
            rows.dead_end = Some(why);
            None
        }
        position => position?,
    };
    if rows.cut.is_none() {
        download.finish().await;
    }
    Ok((Content::Rows(rows), position))
}

/// Where the caller goes on. What was cut is on the same page, which is asked for again.
fn after(
    tool: &HttpTool,
    rows: &Rows,
    page: &Page<'_>,
    next: &Next,
    answer: &Answer,
) -> Result<Option<Position>, String> {
    let Some(pages) = &tool.pages else { return Ok(None) };
    match rows.cut {
        Some(Cut::Rows | Cut::Bytes | Cut::Page) if rows.count == 0 => Ok(None),
        Some(_) => Ok(Some(page.position.within(rows.count))),
        None => {
            let items = page.position.skip + rows.count;
            pages.after(page.position, page.first, &Seen { items, next, answer })
        }
    }
}

async fn text(tool: &HttpTool, mut download: Download<'_>, first: Bytes, charset: &Charset) -> Result<Content, String> {
    let most = usize::try_from(tool.caps.max_bytes.unwrap_or(MOST_READ).min(MOST_READ)).unwrap_or(usize::MAX);
    let mut bytes = first.to_vec();
    while bytes.len() <= most
        && let Some(piece) = download.next().await?
    {
        bytes.extend_from_slice(&piece);
    }
    let cut = bytes.len() > most;
    bytes.truncate(most);
    let text =
        charset.decode(&bytes, cut).map_err(|error| format!("the upstream `{}` answered {error}", tool.upstream()))?;
    Ok(Content::Text { text, cut })
}

/// As base64. Half a picture is of no use, so there is none.
async fn binary(tool: &HttpTool, mut download: Download<'_>, first: Bytes, kind: &str) -> Result<String, String> {
    let length = download.answer.length();
    let too_large = || {
        let length = length.map(|length| format!(" of {length} bytes")).unwrap_or_default();
        let most = tool.caps.max_bytes.unwrap_or(MOST_READ);
        format!(
            "the upstream `{}` answered `{kind}`{length}, more than this tool may answer (`limits.maxBytes`: {most} bytes), \
             and bytes are not cut",
            tool.upstream()
        )
    };
    if length.is_some_and(|length| length > tool.caps.max_bytes.unwrap_or(MOST_READ)) {
        return Err(too_large());
    }
    let bytes = download.collect(first, tool.caps.max_bytes).await?;
    Ok(STANDARD.encode(bytes.ok_or_else(too_large)?))
}

async fn complaint(name: &str, status: StatusCode, media: &Media, mut download: Download<'_>) -> String {
    let what = format!("the upstream `{name}` answered {status}");
    let (Media::Json(charset) | Media::Text(charset)) = media else { return what };
    let mut bytes = Vec::new();
    while bytes.len() < READ_OF_COMPLAINT
        && let Ok(Some(piece)) = download.next().await
    {
        bytes.extend_from_slice(&piece);
    }
    let said = charset.decode(&bytes, true).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned());
    let said: String = download.answer.redact(said.trim()).chars().take(SHOWN).collect();
    if said.is_empty() { what } else { format!("{what}: {said}") }
}

impl Download<'_> {
    /// The next piece that is not empty.
    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        if self.read == 0 && self.progress.is_wanted() {
            self.report();
        }
        loop {
            let piece = self.answer.chunk().await.map_err(|error| error.to_string())?;
            let Some(piece) = piece else { return Ok(None) };
            self.read += piece.len() as u64;
            if self.read > MOST_READ {
                return Err(format!("`{}` sends more than {MOST_READ} bytes", self.answer.host()));
            }
            if self.progress.is_wanted() {
                self.report();
            }
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "news for people; nobody downloads 2^53 bytes")]
    fn report(&self) {
        self.progress.report(
            self.read as f64,
            self.answer.length().map(|length| length as f64),
            Some("bytes received"),
        );
    }

    /// The whole, or `None` if it is larger.
    async fn collect(&mut self, first: Bytes, most: Option<u64>) -> Result<Option<Vec<u8>>, String> {
        let most = most.unwrap_or(MOST_READ);
        let mut bytes = first.to_vec();
        while bytes.len() as u64 <= most
            && let Some(piece) = self.next().await?
        {
            bytes.extend_from_slice(&piece);
        }
        Ok((bytes.len() as u64 <= most).then_some(bytes))
    }

    /// Reads what little may be left, so that the connection is not lost.
    async fn finish(mut self) {
        let rest = async {
            let mut left = TAIL;
            while let Ok(Some(piece)) = self.answer.chunk().await {
                left = left.saturating_sub(piece.len());
                if left == 0 {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(TAIL_TIME, rest).await;
    }
}
