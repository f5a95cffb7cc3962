resource "google_storage_bucket" "state" {
  project                     = var.project
  name                        = var.bucket
  location                    = var.location
  storage_class               = "STANDARD"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false
  labels                      = var.labels

  versioning {
    enabled = true
  }

  soft_delete_policy {
    retention_duration_seconds = var.soft_delete_days * 86400
  }

  dynamic "lifecycle_rule" {
    for_each = local.layout.history

    content {
      action {
        type = "Delete"
      }

      condition {
        days_since_noncurrent_time = local.history_days[lifecycle_rule.value]
        matches_prefix             = ["${local.prefix}${lifecycle_rule.key}"]
        with_state                 = "ARCHIVED"
      }
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }

    condition {
      age = 1
    }
  }

  dynamic "encryption" {
    for_each = var.bucket_key == null ? [] : [var.bucket_key]

    content {
      default_kms_key_name = encryption.value
    }
  }

  lifecycle {
    prevent_destroy = true
  }

  depends_on = [google_kms_crypto_key_iam_member.storage]
}

data "google_storage_project_service_account" "storage" {
  count   = var.bucket_key == null ? 0 : 1
  project = var.project
}

resource "google_kms_crypto_key_iam_member" "storage" {
  count         = var.bucket_key == null ? 0 : 1
  crypto_key_id = var.bucket_key
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = data.google_storage_project_service_account.storage[0].member
}

resource "google_kms_key_ring" "state" {
  project  = var.project
  name     = var.key_ring
  location = local.key_location

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_kms_crypto_key" "state" {
  name                       = var.key
  key_ring                   = google_kms_key_ring.state.id
  purpose                    = "ENCRYPT_DECRYPT"
  rotation_period            = "${var.key_rotation_days * 86400}s"
  destroy_scheduled_duration = "${30 * 86400}s"
  labels                     = var.labels

  version_template {
    algorithm        = "GOOGLE_SYMMETRIC_ENCRYPTION"
    protection_level = var.key_protection_level
  }

  lifecycle {
    prevent_destroy = true
  }
}
