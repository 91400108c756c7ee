use serde_json::json;

use super::*;

fn arguments(id: u32) -> Map<String, Value> {
    json!({ "id": id }).as_object().cloned().unwrap()
}

fn approvals() -> Approvals {
    let approvals = Approvals::default();
    approvals.serve_at("https://mcp.example.com/shop/".parse().unwrap());
    approvals
}

async fn ask(approvals: &Approvals, caller: &str, tool: &str, id: u32) -> Result<Approval, ApprovalError> {
    let (arguments, caller) = (arguments(id), Principal::trusted(caller));
    let request = ApprovalRequest {
        server: "shop",
        tool,
        message: "Sure?",
        arguments: &arguments,
        caller: &caller,
        by: None,
        of: "1",
    };
    approvals.ask(&request).await
}

async fn link(approvals: &Approvals, caller: &str, tool: &str, id: u32) -> String {
    match ask(approvals, caller, tool, id).await {
        Ok(Approval::Waiting { url, .. }) => url,
        other => panic!("a link, not {other:?}"),
    }
}

fn decide(approvals: &Approvals, url: &str, decision: pending::Decision) -> bool {
    let token = url.rsplit_once('/').unwrap().1;
    approvals.0.pending.lock().unwrap().decide(token, decision)
}

#[tokio::test]
async fn what_is_approved_is_done_once_and_by_nobody_else() {
    let approvals = approvals();
    let url = link(&approvals, "alice", "remove", 7).await;
    assert!(url.starts_with("https://mcp.example.com/shop/approve/"), "{url}");
    assert_eq!(link(&approvals, "alice", "remove", 7).await, url, "the same call has the same link");
    let others = [
        link(&approvals, "bob", "remove", 7).await,
        link(&approvals, "alice", "remove2", 7).await,
        link(&approvals, "alice", "remove", 8).await,
    ];
    assert!(others.iter().all(|other| *other != url));
    assert!(decide(&approvals, &url, pending::Decision::Approved));
    assert!(!decide(&approvals, &url, pending::Decision::Declined), "the first decision stands");
    for (caller, tool, id) in [("bob", "remove", 7), ("alice", "remove2", 7), ("alice", "remove", 8)] {
        assert!(matches!(ask(&approvals, caller, tool, id).await, Ok(Approval::Waiting { .. })));
    }
    let Ok(Approval::Approved(first)) = ask(&approvals, "alice", "remove", 7).await else { panic!("approved") };
    let Ok(Approval::Approved(second)) = ask(&approvals, "alice", "remove", 7).await else { panic!("approved") };
    assert!(first.redeem());
    assert!(!second.redeem(), "two at once are not two");
    assert_ne!(link(&approvals, "alice", "remove", 7).await, url, "the next time is asked anew");
}

#[tokio::test]
async fn a_no_is_told_once_and_time_runs_out() {
    let approvals = approvals();
    let url = link(&approvals, "alice", "remove", 7).await;
    assert!(decide(&approvals, &url, pending::Decision::Declined));
    assert!(matches!(ask(&approvals, "alice", "remove", 7).await, Ok(Approval::Declined)));
    let url = link(&approvals, "alice", "remove", 7).await;
    assert!(decide(&approvals, &url, pending::Decision::Approved));
    let Ok(Approval::Approved(ticket)) = ask(&approvals, "alice", "remove", 7).await else { panic!("approved") };
    approvals.0.pending.lock().unwrap().expire();
    assert!(!ticket.redeem(), "too late");
    let late = link(&approvals, "alice", "remove", 7).await;
    approvals.0.pending.lock().unwrap().expire();
    assert!(!decide(&approvals, &late, pending::Decision::Approved));
    assert_eq!(approvals.0.pending.lock().unwrap().sizes(), (0, 0), "nothing is left");
}

#[tokio::test]
async fn what_waits_is_bounded() {
    let approvals = approvals();
    for id in 0..20 {
        link(&approvals, "alice", "remove", id).await;
    }
    let full = ask(&approvals, "alice", "remove", 20).await.unwrap_err();
    assert!(full.to_string().starts_with("20 calls of yours wait"), "{full}");
    link(&approvals, "alice", "remove", 3).await;
    link(&approvals, "bob", "remove", 20).await;
    for caller in 0..51 {
        for id in 0..20 {
            let _ = ask(&approvals, &format!("caller-{caller}"), "remove", id).await;
        }
    }
    assert_eq!(approvals.0.pending.lock().unwrap().sizes(), (1000, 1000));
    let full = ask(&approvals, "carol", "remove", 1).await.unwrap_err();
    assert!(full.to_string().starts_with("1000 calls of all callers wait"), "{full}");
}

#[tokio::test]
async fn wrong_keys_end_a_link() {
    let approvals = approvals();
    let url = link(&approvals, "alice", "remove", 7).await;
    let token = url.rsplit_once('/').unwrap().1;
    for _ in 0..10 {
        approvals.0.pending.lock().unwrap().fail(token);
    }
    assert!(!decide(&approvals, &url, pending::Decision::Approved));
}

#[tokio::test]
async fn without_a_page_nobody_is_asked_in_vain() {
    let approvals = Approvals::default();
    assert!(matches!(ask(&approvals, "alice", "remove", 7).await, Err(ApprovalError::NoPage)));
    let large = json!({ "text": "x".repeat(20_000) }).as_object().cloned().unwrap();
    let caller = Principal::trusted("alice");
    let mut request = ApprovalRequest {
        server: "shop",
        tool: "remove",
        message: "Sure?",
        arguments: &large,
        caller: &caller,
        by: None,
        of: "1",
    };
    approvals.open_on_loopback(None);
    assert!(matches!(approvals.ask(&request).await, Err(ApprovalError::TooLarge { .. })));
    let small = Map::new();
    request = ApprovalRequest { by: Some("managers"), arguments: &small, ..request };
    assert!(matches!(approvals.ask(&request).await, Err(ApprovalError::NobodyElse)));
}
