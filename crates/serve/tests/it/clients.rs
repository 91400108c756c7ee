//! The SDK's own client over HTTP, in both eras.

use mcp_serve::{
    Change,
    model::{
        CallToolRequestParams, GetPromptRequestParams, ProtocolVersion, ReadResourceRequestParams, SubscriptionFilter,
    },
};
use rmcp::{
    RoleClient, ServiceExt,
    service::{ClientLifecycleMode, ClientServiceExt, RunningService},
    transport::StreamableHttpClientTransport,
};
use serde_json::json;

use crate::support::{Running, TOOLS, within};

pub async fn connect(running: &Running, modern: bool) -> RunningService<RoleClient, ()> {
    // Another crate of the workspace may have switched TLS on without a provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let transport = StreamableHttpClientTransport::from_uri(running.url());
    if modern {
        let lifecycle = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
        within(().serve_with_lifecycle(transport, lifecycle)).await.expect("connects")
    } else {
        within(().serve(transport)).await.expect("connects")
    }
}

pub async fn use_everything(client: &RunningService<RoleClient, ()>) {
    let tools = within(client.list_all_tools()).await.expect("tools");
    assert_eq!(tools.iter().map(|tool| tool.name.as_ref()).collect::<Vec<_>>(), TOOLS);
    let arguments = json!({"a": [1, "ä"]}).as_object().expect("object").clone();
    let call = CallToolRequestParams::new("echo").with_arguments(arguments.clone());
    let result = within(client.call_tool(call)).await.expect("a result");
    assert_eq!(result.structured_content, Some(arguments.into()));
    let error = within(client.call_tool(CallToolRequestParams::new("nope"))).await.expect_err("refused");
    assert!(error.to_string().contains("Unknown tool: nope"), "{error}");
    let resource = within(client.read_resource(ReadResourceRequestParams::new("doc://a"))).await.expect("a resource");
    assert_eq!(resource.contents.len(), 1);
    let prompt = within(client.get_prompt(GetPromptRequestParams::new("greet"))).await.expect("a prompt");
    assert_eq!(prompt.messages.len(), 1);
    assert_eq!(within(client.list_all_resources()).await.expect("resources").len(), 1);
    assert_eq!(within(client.list_all_resource_templates()).await.expect("templates").len(), 1);
    assert_eq!(within(client.list_all_prompts()).await.expect("prompts").len(), 1);
}

#[tokio::test]
async fn both_eras_are_served_to_the_sdk_client() {
    let running = Running::start().await;
    for modern in [true, false] {
        let client = connect(&running, modern).await;
        use_everything(&client).await;
        within(client.cancel()).await.expect("closed");
    }
}

#[tokio::test]
async fn the_sdk_client_can_listen() {
    let running = Running::start().await;
    let client = connect(&running, true).await;
    let filter = SubscriptionFilter::builder().tools_list_changed().build();
    let mut subscription = within(client.listen(filter)).await.expect("listens");
    assert_eq!(subscription.acknowledged().tools_list_changed, Some(true));
    running.server.notify(Change::Tools);
    let news = within(subscription.next()).await.expect("news").expect("open");
    assert!(format!("{news:?}").contains("ToolListChanged"), "{news:?}");
    running.begin_stop();
    assert!(within(subscription.next()).await.expect("the end").is_none());
    assert!(format!("{:?}", subscription.end()).contains("Graceful"), "{:?}", subscription.end());
}
