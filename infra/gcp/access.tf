# Roles of one's own, because none of Google's has so little in it.
resource "google_project_iam_custom_role" "state" {
  for_each = local.grants

  project     = var.project
  role_id     = "${var.name}_${each.key}"
  title       = "keelstate ${each.value.role}"
  description = each.value.does
  permissions = each.value.permissions
}

resource "google_storage_bucket_iam_binding" "state" {
  for_each = { for id, grant in local.grants : id => grant if length(local.members[grant.role]) > 0 }

  bucket  = google_storage_bucket.state.name
  role    = google_project_iam_custom_role.state[each.key].id
  members = local.members[each.value.role]

  dynamic "condition" {
    for_each = each.value.condition == null ? [] : [each.value.condition]

    content {
      title      = each.key
      expression = condition.value
    }
  }
}

resource "google_kms_crypto_key_iam_binding" "state" {
  for_each = { for role, key_role in local.key_grants : role => key_role if length(local.members[role]) > 0 }

  crypto_key_id = google_kms_crypto_key.state.id
  role          = each.value
  members       = local.members[each.key]
}
