//! What fires a tool.

use indexmap::IndexMap;

use super::{Auth, ConnectionName, Duration, HeaderName, Retries, ToolName, TriggerName, ValueTemplate, Variable};
use crate::read::{object, tagged, words};

object! {
    /// Calls one tool, as a principal of its own, whenever something happens.
    pub struct Trigger {
        /// Its name. Left out: its type and its place in the list.
        name: Option<TriggerName>,
        /// The tool.
        tool: ToolName,
        /// The tool's arguments, in which `{trigger.…}` may stand.
        arguments: IndexMap<String, ValueTemplate>,
        /// What happens while the last call still runs.
        overlap: Overlap = Overlap::Skip,
        /// How often a failed call is tried again.
        retry: Option<Retries>
        ; ..kind: TriggerKind
    }
}

words! {
    /// What happens when a trigger fires while its last call still runs.
    pub enum Overlap {
        Skip = "skip",
        Queue = "queue",
        Allow = "allow",
    }
}

tagged! {
    /// What it is that happens.
    pub enum TriggerKind by "type" {
        /// A time comes.
        Cron(Cron) = "cron",
        /// Somebody posts to a URL.
        Webhook(Webhook) = "webhook",
        /// A file changes.
        File(FileWatch) = "file",
        /// A message arrives.
        Queue(Queue) = "queue",
        /// A database says that something changed.
        Database(DatabaseChange) = "database",
        /// The server starts.
        Startup = "startup",
    }
}

object! {
    /// A time comes.
    pub struct Cron {
        /// Five fields, or `@daily` and its like.
        schedule: String,
        /// The time zone of the schedule.
        timezone: String = "UTC".to_owned(),
        /// What is made up for after a pause.
        missed: Missed = Missed::None
    }
}

words! {
    /// What of the missed times is made up for.
    pub enum Missed {
        None = "none",
        Once = "once",
        All = "all",
    }
}

object! {
    /// Somebody posts to `/hooks/<server><path>`.
    pub struct Webhook {
        /// The path.
        path: String,
        /// How requests are signed.
        signature: Option<Signature>,
        /// Who may post.
        auth: Option<Auth>
    }
}

object! {
    /// How something is signed.
    pub struct Signature {
        /// The scheme.
        scheme: SignatureScheme = SignatureScheme::HmacSha256,
        /// The header that carries the signature.
        header: HeaderName,
        /// Holds the secret.
        env_var: Variable,
        /// How old a signed request may be.
        tolerance: Duration = Duration::from_secs(300)
    }
}

words! {
    /// A scheme of signatures.
    pub enum SignatureScheme {
        HmacSha256 = "hmac-sha256",
    }
}

object! {
    /// A file changes.
    pub struct FileWatch {
        /// The folder.
        path: String,
        /// The names.
        glob: String = "*".to_owned(),
        /// The changes.
        events: Vec<FileEvent> = vec![FileEvent::Create, FileEvent::Modify],
        /// How long it must be quiet.
        debounce: Duration = Duration::from_millis(500)
    }
}

words! {
    /// A change of a file.
    pub enum FileEvent {
        Create = "create",
        Modify = "modify",
        Delete = "delete",
    }
}

object! {
    /// A message arrives.
    pub struct Queue {
        /// The connection.
        connection: Option<ConnectionName>,
        /// The queue, stream, list or subject.
        queue: String,
        /// Where messages go whose calls keep failing.
        dead_letter: Option<String>
    }
}

object! {
    /// A database says that something changed.
    pub struct DatabaseChange {
        /// The connection.
        connection: Option<ConnectionName>,
        /// The channel of PostgreSQL's `NOTIFY`.
        channel: Option<String>,
        /// The collection of MongoDB.
        collection: Option<String>
    }
}
