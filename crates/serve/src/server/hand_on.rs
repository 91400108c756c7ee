//! For servers that stand around another one.

/// Methods of [`Server`](crate::Server) that do what those of a field do. Each is named, so that a server says what it leaves
/// as it is: what it neither names nor writes out is what the trait says of a server that knows nothing of it.
macro_rules! hand_on {
    ($to:ident: $($method:ident)+) => {
        $($crate::server::hand_on!(@ $method $to);)+
    };
    (@ implementation $to:ident) => {
        fn implementation(&self) -> &$crate::model::Implementation {
            self.$to.implementation()
        }
    };
    (@ instructions $to:ident) => {
        fn instructions(&self) -> Option<&str> {
            self.$to.instructions()
        }
    };
    (@ capabilities $to:ident) => {
        fn capabilities(&self) -> $crate::Capabilities {
            self.$to.capabilities()
        }
    };
    (@ tasks $to:ident) => {
        fn tasks(&self) -> Option<&dyn $crate::Tasks> {
            self.$to.tasks()
        }
    };
    (@ admit $to:ident) => {
        fn admit<'a>(
            &'a self,
            principal: &'a std::sync::Arc<$crate::Principal>,
        ) -> Option<$crate::BoxFuture<'a, Result<$crate::Grant, $crate::Error>>> {
            self.$to.admit(principal)
        }
    };
    (@ parts $to:ident) => {
        fn has_parts(&self) -> bool {
            self.$to.has_parts()
        }

        fn has_part(&self, cx: &$crate::CallContext, name: &str) -> bool {
            self.$to.has_part(cx, name)
        }
    };
    (@ parameter_headers $to:ident) => {
        fn parameter_headers(&self, tool: &str) -> &[$crate::ParameterHeader] {
            self.$to.parameter_headers(tool)
        }
    };
    (@ required_scopes $to:ident) => {
        fn required_scopes(&self, tool: &str) -> std::borrow::Cow<'_, [String]> {
            self.$to.required_scopes(tool)
        }
    };
    (@ called_tool $to:ident) => {
        fn called_tool<'a>(
            &self,
            tool: &'a str,
            arguments: Option<&serde_json::value::RawValue>,
        ) -> std::borrow::Cow<'a, str> {
            self.$to.called_tool(tool, arguments)
        }
    };
    (@ resources $to:ident) => {
        fn resources(&self, cx: &$crate::CallContext) -> std::sync::Arc<$crate::Listing<$crate::model::Resource>> {
            self.$to.resources(cx)
        }

        fn resource_templates(
            &self,
            cx: &$crate::CallContext,
        ) -> std::sync::Arc<$crate::Listing<$crate::model::ResourceTemplate>> {
            self.$to.resource_templates(cx)
        }

        fn read_resource<'a>(
            &'a self,
            cx: &'a $crate::CallContext,
            uri: &'a str,
        ) -> $crate::BoxFuture<'a, Result<Vec<$crate::model::ResourceContents>, $crate::Error>> {
            self.$to.read_resource(cx, uri)
        }
    };
    (@ prompts $to:ident) => {
        fn prompts(&self, cx: &$crate::CallContext) -> std::sync::Arc<$crate::Listing<$crate::model::Prompt>> {
            self.$to.prompts(cx)
        }

        fn get_prompt<'a>(
            &'a self,
            cx: &'a $crate::CallContext,
            name: &'a str,
            arguments: serde_json::Map<String, serde_json::Value>,
        ) -> $crate::BoxFuture<'a, Result<$crate::PromptText, $crate::Error>> {
            self.$to.get_prompt(cx, name, arguments)
        }
    };
    (@ complete $to:ident) => {
        fn complete<'a>(
            &'a self,
            cx: &'a $crate::CallContext,
            completion: $crate::Completion<'a>,
        ) -> $crate::BoxFuture<'a, Result<Vec<String>, $crate::Error>> {
            self.$to.complete(cx, completion)
        }
    };
}

pub(crate) use hand_on;
