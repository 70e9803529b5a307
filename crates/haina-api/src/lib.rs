//! The doors of Haina: Hub JSON, content store; OpenAPI.
