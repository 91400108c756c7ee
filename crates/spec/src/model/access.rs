//! Who may see which toolsets.

use indexmap::IndexMap;
use ipnet::IpNet;
use serde_json::{Map, Value};

use super::{HeaderName, ToolsetName};
use crate::{
    Code,
    read::{Field, Fields, Object, Reader, object, put, tagged},
    schema_of_language::{Schemas, Shape},
};

/// Who may see which toolsets: the ceiling within which `exposure` chooses.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Access {
    /// Nothing is said: every caller may see everything.
    #[default]
    Everything,
    /// The union of all rules that match.
    Rules(Vec<AccessRule>),
    /// What a claim of the token says.
    Claims(ClaimPermissions),
    /// What a header of a trusted proxy says.
    Header(HeaderPermissions),
}

impl Object for Access {
    const NAME: &'static str = "Access";
    const ABOUT: &'static [&'static str] = &[];

    fn read_fields(fields: &mut Fields<'_>, reader: &mut Reader) -> Option<Self> {
        let access = fields.take(reader, "access");
        let permissions = fields.take(reader, "permissions");
        if let (Some(_), Some((node, at))) = (&access, &permissions) {
            let message = "`permissions` stands beside `access`, which is another form of the same".to_owned();
            reader.report(Code::Conflict, node.span, at, message, Some("keep `access`".to_owned()));
        }
        if let Some((node, at)) = access {
            return Vec::read(node, &at, reader).map(Self::Rules);
        }
        let Some((node, at)) = permissions else { return Some(Self::Everything) };
        Some(match PermissionSource::read(node, &at, reader)? {
            PermissionSource::Claims(claims) => Self::Claims(claims),
            PermissionSource::Header(header) => Self::Header(header),
            PermissionSource::Config(config) => Self::Rules(config.into_rules()),
        })
    }

    fn write_fields(&self, out: &mut Map<String, Value>) {
        match self {
            Self::Everything => {}
            Self::Rules(rules) => {
                out.insert("access".to_owned(), rules.write());
            }
            Self::Claims(claims) => put(out, "permissions", &PermissionSource::Claims(claims.clone()), None),
            Self::Header(header) => put(out, "permissions", &PermissionSource::Header(header.clone()), None),
        }
    }

    fn describe(shape: &mut Shape, schemas: &mut Schemas) {
        shape.optional::<Vec<AccessRule>>(
            schemas,
            "access",
            &["Who may see which toolsets: the union of all that match."],
        );
        shape.optional::<PermissionSource>(
            schemas,
            "permissions",
            &["Another form of `access`. Not with dynamic exposure."],
        );
    }
}

object! {
    /// A row of `access`: a group, a principal, or without either everyone. The union of all rows that match is the ceiling
    /// within which `exposure` chooses.
    pub struct AccessRule {
        /// The group that a caller is in.
        group: Option<String>,
        /// The caller.
        principal: Option<String>,
        /// What they may see.
        toolsets: Vec<ToolsetName>
    }
}

tagged! {
    /// Where a caller's toolsets come from. `source: config` is another way to write `access`.
    pub enum PermissionSource by "source" {
        /// A claim of the token.
        Claims(ClaimPermissions) = "claims",
        /// This spec.
        Config(ConfigPermissions) = "config",
        /// A header that a trusted proxy sets.
        Header(HeaderPermissions) = "header",
    }
}

object! {
    /// A claim of the token lists the toolsets.
    pub struct ClaimPermissions {
        /// The claim.
        claim: String = "toolsets".to_owned(),
        /// What every caller may see.
        default: Vec<ToolsetName>
    }
}

object! {
    /// This spec lists the toolsets.
    pub struct ConfigPermissions {
        /// The toolsets of each principal.
        map: IndexMap<String, Vec<ToolsetName>>,
        /// What every caller may see.
        default: Vec<ToolsetName>
    }
}

object! {
    /// A header that a trusted proxy sets lists the toolsets.
    pub struct HeaderPermissions {
        /// The header.
        header: HeaderName,
        /// The networks that requests with it may come from.
        trusted_proxies: Vec<IpNet>,
        /// Or: how the header is signed.
        signature: Option<super::Signature>,
        /// What every caller may see.
        default: Vec<ToolsetName>
    }
}

impl ConfigPermissions {
    fn into_rules(self) -> Vec<AccessRule> {
        let everyone = AccessRule { group: None, principal: None, toolsets: self.default };
        let named = self.map.into_iter().map(|(principal, toolsets)| AccessRule {
            group: None,
            principal: Some(principal),
            toolsets,
        });
        named.chain((!everyone.toolsets.is_empty()).then_some(everyone.clone())).collect()
    }
}

crate::read::parsed! {
    IpNet: Range, "a network such as `10.0.0.0/8`", { "type": "string", "pattern": "^[0-9a-fA-F.:]+/[0-9]+$" };
}
