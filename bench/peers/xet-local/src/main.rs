//! `xet-local DIR 127.0.0.1:PORT [memory]`: Hugging Face's own local Xet server, kept on disk.
//!
//! It is what `bench/run` measures Haina against. Nothing here is tuned: the server is the one that
//! `xet-client` ships for its simulations, run the way its own `local_cas_server` command runs it.

use std::error::Error;
use std::net::SocketAddr;

use xet_client::cas_client::{LocalServer, LocalServerConfig};
use xet_runtime::core::XetContext;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(dir), Some(listen)) = (args.next(), args.next()) else {
        return Err("usage: xet-local DIR ADDRESS:PORT [memory]".into());
    };
    let address: SocketAddr = listen.parse()?;
    let config = LocalServerConfig {
        data_directory: dir.into(),
        host: address.ip().to_string(),
        port: address.port(),
        in_memory: args.next().is_some_and(|mode| mode == "memory"),
    };
    LocalServer::new(XetContext::default()?, config).await?.run().await?;
    Ok(())
}
