//! `apply`: a batch from a file.

use std::io::Read;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use ureq::http::Method;

use super::Context;
use super::client::Connection;
use super::failure::{Done, Failure};

/// Do many operations, all or none of them
///
/// They are done in order, in one commit. The file is JSON as POST /v1/batch takes it, {"operations": [{"op":
/// "register", …}, …]}, or the array alone.
#[derive(Debug, Args)]
pub(super) struct Apply {
    /// The file; - is standard input
    file: PathBuf,
    /// Zone of operations that name none [default: the server's first]
    #[arg(long, value_name = "ZONE", help_heading = "API")]
    zone: Option<String>,
    #[command(flatten)]
    api: Connection,
}

impl Apply {
    pub(super) fn run(self, context: &mut Context<'_>) -> Done {
        let client = self.api.client(context)?;
        let body = self.batch(context)?;
        let reply = client.ask(Method::POST, "/v1/batch", Some(&body))?;
        if self.api.json {
            return reply.print(context);
        }
        let done = reply.json()?;
        let results = done["results"].as_array().map_or(&[][..], Vec::as_slice);
        let changed = results.iter().filter(|result| result["changed"] == true).count();
        let (all, index) = (results.len(), reply.index(&done));
        let operations = if all == 1 { "operation" } else { "operations" };
        writeln!(
            context.out,
            "applied {all} {operations}, {changed} of them a change{index}"
        )?;
        Ok(())
    }

    /// The file as the API takes it.
    fn batch(&self, context: &mut Context<'_>) -> Done<Value> {
        let is_input = self.file.as_os_str() == "-";
        let path = if is_input {
            "standard input".into()
        } else {
            self.file.display().to_string()
        };
        let mut text = Vec::new();
        if is_input {
            context.input.read_to_end(&mut text)
        } else {
            std::fs::File::open(&self.file).and_then(|mut file| file.read_to_end(&mut text))
        }
        .map_err(|error| {
            Failure::Usage(anyhow::Error::new(error).context(format!("{path}: cannot be read")))
        })?;
        let mut body: Value = serde_json::from_slice(&text).map_err(|error| {
            Failure::Usage(anyhow::Error::new(error).context(format!("{path}: is not JSON")))
        })?;
        if body.is_array() {
            body = json!({ "operations": body });
        }
        let Some(operations) = body["operations"].as_array_mut() else {
            return Err(Failure::usage(format!(
                "{path}: has no operations; write {{\"operations\": […]}} or an array of operations"
            )));
        };
        if let Some(zone) = &self.zone {
            for operation in operations.iter_mut().filter_map(Value::as_object_mut) {
                operation.entry("zone").or_insert_with(|| zone.as_str().into());
            }
        }
        Ok(body)
    }
}
