//! hf-hub 0.x, as candle and text-embeddings-inference use it. `hub0 REPO FILE...` downloads each file into the
//! cache below HF_HOME and prints where it is; the endpoint comes from HF_ENDPOINT by `ApiBuilder::from_env`.

use hf_hub_0::api::sync::ApiBuilder;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let id = args.next().ok_or("usage: hub0 REPO FILE...")?;
    let api = ApiBuilder::from_env().with_token(std::env::var("HF_TOKEN").ok()).with_progress(false).build()?;
    let model = api.model(id);
    println!("sha {}", model.info()?.sha);
    for file in args {
        println!("file {} {}", file, model.get(&file)?.display());
    }
    Ok(())
}
