locals {
  store_address = var.prefix == "" ? "gs://${google_storage_bucket.state.name}" : "gs://${google_storage_bucket.state.name}/${var.prefix}"
  key_address   = "gcp-kms:${google_kms_crypto_key.state.id}"
}

output "configuration" {
  description = "keelstate.json. Run keelstate init afterwards, once, which makes the store."
  value       = jsonencode({ store = local.store_address, keys = [local.key_address] })
}

output "store" {
  description = "Address of the store, for --store or KEELSTATE_STORE."
  value       = local.store_address
}

output "lock" {
  description = "Address of the locks, for --lock or KEELSTATE_LOCK: beside the documents, as without it."
  value       = "store"
}

output "key" {
  description = "Address of the key, for --key or KEELSTATE_KEYS."
  value       = local.key_address
}
