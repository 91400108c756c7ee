//! What is wrong with a spec: the closed list of codes, and one finding.

use std::fmt;

use crate::{Span, path::Path};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Warning,
    /// A server is made and can be looked at, not deployed.
    Blocker,
    /// No server is made.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Blocker => "blocker",
            Self::Error => "error",
        })
    }
}

macro_rules! codes {
    ($($severity:ident { $($variant:ident = $text:literal: $meaning:literal,)* })*) => {
        /// A stable name for one kind of problem, so that people can search for it and programs can act on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[doc = $meaning] $variant,)*)* }

        impl Code {
            pub const ALL: &[Self] = &[$($(Self::$variant,)*)*];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($(Self::$variant => $text,)*)* }
            }

            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $($(Self::$variant => Severity::$severity,)*)* }
            }

            /// One line on what the code means.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $($(Self::$variant => $meaning,)*)* }
            }
        }
    };
}

codes! {
    Error {
        SyntaxYaml = "syntax/yaml": "not YAML 1.2, several documents, or a merge key",
        SyntaxJson = "syntax/json": "not JSON",
        SyntaxLimits = "syntax/limits": "too large, too deep, too many aliases, or not UTF-8 text",
        SyntaxTag = "syntax/tag": "a YAML tag",
        UnknownField = "spec/unknown-field": "a field that the language does not have",
        DuplicateKey = "spec/duplicate-key": "the same key twice",
        DuplicateName = "spec/duplicate-name": "two things with one name",
        Missing = "spec/missing": "something required is not there",
        Type = "spec/type": "a value of the wrong type",
        Enum = "spec/enum": "a value that is not one of the known ones",
        Name = "spec/name": "a name of the wrong form, or a reserved one",
        Version = "spec/version": "not a semantic version",
        Duration = "spec/duration": "not a duration",
        Size = "spec/size": "not a size",
        Rate = "spec/rate": "not a rate",
        Range = "spec/range": "a number out of its range",
        Conflict = "spec/conflict": "fields that exclude each other",
        Secret = "spec/secret": "a secret in the spec",
        Path = "spec/path": "a path that leaves the folder of the spec",
        FileMissing = "spec/file-missing": "a file that is named and does not exist",
        Url = "spec/url": "not a URL that can be used here",
        Pointer = "spec/pointer": "not a JSON pointer",
        SchemaInvalid = "schema/invalid": "not a JSON Schema that something can satisfy",
        SchemaDefault = "schema/default": "a default that its own schema refuses",
        SchemaExample = "schema/example": "an example that its schema refuses",
        ConnectionUnknown = "connection/unknown": "a connection that is not declared",
        ConnectionKind = "connection/kind": "a connection of a type that the tool can't use",
        ConnectionNeeds = "connection/needs": "a connection without what its type needs",
        ConnectionAmbiguous = "connection/ambiguous": "several connections suit and none is named",
        ToolTwoImplementations = "tool/two-implementations": "a tool with more than one kind",
        ToolPlaceholder = "tool/placeholder": "a placeholder that names nothing or can't stand there",
        ToolReadOnly = "tool/read-only": "a tool declared read-only that writes",
        SqlParse = "sql/parse": "not SQL of that database",
        SqlMultipleStatements = "sql/multiple-statements": "more than one statement",
        SqlWritesOnReadOnly = "sql/writes-on-read-only": "a statement that writes on a read-only connection",
        HttpPath = "http/path": "not a path that can be sent",
        GrpcMethod = "grpc/method": "not a gRPC method name",
        UriTemplate = "uri/template": "not a URI template",
        AuthNeeds = "auth/needs": "authentication without what its type needs",
        ToolsetUnknownTool = "toolset/unknown-tool": "a toolset that names no tool",
        ExposureUnknownToolset = "exposure/unknown-toolset": "an exposure that names no toolset",
        PermissionsUnknownToolset = "permissions/unknown-toolset": "a permission that names no toolset",
        TriggerSchedule = "trigger/schedule": "not a cron expression",
        TriggerTimezone = "trigger/timezone": "not a time zone",
        TriggerArguments = "trigger/arguments": "arguments that the tool's schema refuses",
        TriggerConnection = "trigger/connection": "a trigger whose connection can't fire it",
        TriggerDuplicatePath = "trigger/duplicate-path": "two webhooks with one path",
        TriggerConfirm = "trigger/confirm": "a trigger that calls a tool which asks a person",
        EventUnknownTrigger = "event/unknown-trigger": "an event that names no trigger",
        TenantUnscoped = "tenant/unscoped": "a statement that reaches rows of other principals",
    }
    Blocker {
        ToolNoImplementation = "tool/no-implementation": "a tool that does nothing yet",
        TriggerUnknownTool = "trigger/unknown-tool": "a trigger that names no tool",
    }
    Warning {
        AuthStdio = "auth/stdio": "authentication can't apply on stdio",
        AuthNoKeys = "auth/no-keys": "keys must be issued by the factory",
        ConnectionUnused = "connection/unused": "a connection that nothing uses",
        ToolUnusedParameter = "tool/unused-parameter": "a parameter that the tool does not use",
        SchemaUnknownKeyword = "schema/unknown-keyword": "a keyword that JSON Schema does not have",
        TriggerWebhookUnsigned = "trigger/webhook-unsigned": "a webhook that anybody can call",
        ToolLongDescription = "tool/long-description": "a description over 1,024 characters",
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One problem, at one place.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    pub code: Code,
    /// What is wrong: one lowercase sentence without a final period; names in backticks.
    pub message: String,
    pub span: Span,
    pub path: Path,
    /// What was expected, or what to do, when the message does not say it.
    pub help: Option<String>,
    pub fix: Option<Fix>,
}

/// A replacement that is safe to make unasked.
#[derive(Debug, Clone, PartialEq)]
pub struct Fix {
    pub span: Span,
    pub replacement: String,
}

/// What the diagnostics of a document come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    Valid,
    Warning,
    Blocker,
    Error,
}

impl Verdict {
    #[must_use]
    pub fn of(diagnostics: &[Diagnostic]) -> Self {
        diagnostics.iter().map(|diagnostic| diagnostic.code.severity()).max().map_or(Self::Valid, |worst| match worst {
            Severity::Warning => Self::Warning,
            Severity::Blocker => Self::Blocker,
            Severity::Error => Self::Error,
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Valid => "valid",
            Self::Warning => "warning",
            Self::Blocker => "blocker",
            Self::Error => "error",
        })
    }
}
