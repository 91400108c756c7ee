//! What a call says before its answer, told to a client that is connected by the SDK.
#![expect(deprecated, reason = "log messages are deprecated by 2026-07-28, not gone: clients still ask for them")]

use rmcp::{
    RoleServer,
    model::{
        LoggingLevel, LoggingMessageNotification, LoggingMessageNotificationParam, ProgressNotificationParam,
        ProgressToken, ServerNotification,
    },
    service::Peer,
};
use tokio::sync::mpsc;

use crate::{LogLevel, logging::Message, news::News};

/// Runs the call and passes on what it says; what it said before its end comes before its answer.
pub(super) async fn passing_on<T>(
    work: impl Future<Output = T>,
    mut news: mpsc::Receiver<News>,
    token: Option<&ProgressToken>,
    peer: &Peer<RoleServer>,
) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            Some(said) = news.recv() => tell(peer, token, said).await,
            outcome = &mut work => {
                news.close();
                while let Ok(said) = news.try_recv() {
                    tell(peer, token, said).await;
                }
                return outcome;
            }
        }
    }
}

/// A client that is gone shows in the cancellation of its requests.
async fn tell(peer: &Peer<RoleServer>, token: Option<&ProgressToken>, news: News) {
    match (news, token) {
        (News::Step(step), Some(token)) => {
            let mut params = ProgressNotificationParam::new(token.clone(), step.progress);
            params.total = step.total;
            params.message = step.message;
            let _ = peer.notify_progress(params).await;
        }
        (News::Step(_), None) => {}
        (News::Message(Message { level, logger, data }), _) => {
            let params = LoggingMessageNotificationParam::new(sent(level), data).with_logger(logger);
            let notification = LoggingMessageNotification::new(params);
            let _ = peer.send_notification(ServerNotification::LoggingMessageNotification(notification)).await;
        }
    }
}

fn sent(level: LogLevel) -> LoggingLevel {
    match level {
        LogLevel::Debug => LoggingLevel::Debug,
        LogLevel::Info => LoggingLevel::Info,
        LogLevel::Notice => LoggingLevel::Notice,
        LogLevel::Warning => LoggingLevel::Warning,
        LogLevel::Error => LoggingLevel::Error,
        LogLevel::Critical => LoggingLevel::Critical,
        LogLevel::Alert => LoggingLevel::Alert,
        LogLevel::Emergency => LoggingLevel::Emergency,
    }
}

pub(crate) fn level_of(level: LoggingLevel) -> LogLevel {
    match level {
        LoggingLevel::Debug => LogLevel::Debug,
        LoggingLevel::Info => LogLevel::Info,
        LoggingLevel::Notice => LogLevel::Notice,
        LoggingLevel::Warning => LogLevel::Warning,
        LoggingLevel::Error => LogLevel::Error,
        LoggingLevel::Critical => LogLevel::Critical,
        LoggingLevel::Alert => LogLevel::Alert,
        LoggingLevel::Emergency => LogLevel::Emergency,
    }
}
