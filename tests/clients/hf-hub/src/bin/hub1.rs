//! hf-hub 1.x. `hub1 download REPO DIR` fetches a snapshot of `main` into DIR; `hub1 upload REPO FILE PATH`
//! commits FILE as PATH. The library reads no endpoint variable: it is given by the builder, from HF_ENDPOINT.

use std::path::PathBuf;

use hf_hub_1::HFClient;
use hf_hub_1::repository::AddSource;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut client = HFClient::builder().endpoint(std::env::var("HF_ENDPOINT")?);
    if let Ok(token) = std::env::var("HF_TOKEN") {
        client = client.token(token);
    }
    let client = client.build()?;
    let model = |id: &str| {
        let (owner, name) = id.split_once('/').expect("because a repository is owner/name");
        client.model(owner, name)
    };
    match args[..] {
        ["download", id, dir] => {
            let path = model(id).snapshot_download().local_dir(PathBuf::from(dir)).send().await?;
            println!("{}", path.display());
        }
        ["upload", id, file, path] => {
            let source = AddSource::file(file);
            let commit = model(id).upload_file().source(source).path_in_repo(path).send().await?;
            println!("{commit:?}");
        }
        _ => return Err("usage: hub1 download REPO DIR | hub1 upload REPO FILE PATH".into()),
    }
    Ok(())
}
