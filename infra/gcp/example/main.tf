# One store, of which a pipeline writes the state and everybody in a group may read it.
terraform {
  required_version = ">= 1.5"
}

variable "project" {
  type = string
}

variable "bucket" {
  type = string
}

provider "google" {
  project = var.project
}

module "state" {
  source = "../"

  project  = var.project
  bucket   = var.bucket
  location = "europe-west1"
  prefix   = "prod"

  readers     = ["group:developers@acme.example"]
  writers     = ["serviceAccount:deploy@${var.project}.iam.gserviceaccount.com"]
  maintainers = ["group:platform@acme.example"]
}

output "configuration" {
  value = module.state.configuration
}
