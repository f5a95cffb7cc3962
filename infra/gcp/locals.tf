locals {
  layout = yamldecode(file("${path.module}/layout.yaml"))
  prefix = var.prefix == "" ? "" : "${var.prefix}/"

  # Multi-regions of Cloud Storage, as Cloud KMS calls them. https://cloud.google.com/kms/docs/locations
  key_location = coalesce(var.key_location, lookup({ asia = "asia", eu = "europe", us = "us" }, lower(var.location), lower(var.location)))

  history_days = {
    history_days      = var.history_days
    lock_history_days = var.lock_history_days
  }

  members = {
    reader     = distinct(concat(var.readers, var.writers, var.maintainers))
    writer     = distinct(concat(var.writers, var.maintainers))
    maintainer = distinct(var.maintainers)
  }

  # https://cloud.google.com/iam/docs/conditions-attribute-reference#resource-name
  objects = "projects/_/buckets/${var.bucket}/objects/${local.prefix}"

  object_grants = merge([
    for role, gives in local.layout.roles : {
      for number, grant in gives.objects : "${role}_objects_${number}" => {
        role        = role
        does        = gives.does
        permissions = grant.permissions
        condition = join(" || ", [
          for place in grant.places : place == "" || endswith(place, "/")
          ? "resource.name.startsWith(\"${local.objects}${place}\")"
          : "resource.name == \"${local.objects}${place}\""
        ])
      }
    }
  ]...)

  bucket_grants = {
    for role, gives in local.layout.roles : "${role}_bucket" => {
      role        = role
      does        = gives.does
      permissions = gives.bucket
      condition   = null
    } if length(gives.bucket) > 0
  }

  grants = merge(local.object_grants, local.bucket_grants)

  key_grants = { for role, gives in local.layout.roles : role => gives.key if gives.key != null }
}
