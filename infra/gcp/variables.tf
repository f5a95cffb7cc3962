variable "project" {
  description = "Id of the project in which bucket and key are made."
  type        = string
}

variable "bucket" {
  description = "Name of the bucket; unique in all of Cloud Storage."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "A bucket's name has 3 to 63 characters of a-z 0-9 . _ - and begins and ends with a letter or a digit."
  }
}

variable "location" {
  description = "Where the bucket lies: a region such as europe-west1, or EU, US, ASIA."
  type        = string
}

variable "prefix" {
  description = "Path in the bucket under which the store lies, such as \"prod\"; no slash at either end. Rules and grants cover this path only: one module for each store."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^$|^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$", var.prefix)) && length(var.prefix) <= 120
    error_message = "The prefix is empty, or at most 120 characters of segments that are joined by \"/\", without one at either end."
  }
}

variable "name" {
  description = "Begins the ids of the roles that are made; two stores in one project need two."
  type        = string
  default     = "keelstate"

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{2,39}$", var.name))
    error_message = "The name has 3 to 40 characters of a-z 0-9 _ and begins with a letter."
  }
}

variable "readers" {
  description = "Who may read, as IAM names them: group:…, serviceAccount:…, user:…."
  type        = list(string)
  default     = []
}

variable "writers" {
  description = "Who may read and write."
  type        = list(string)
  default     = []
}

variable "maintainers" {
  description = "Who may also make the store (keelstate init) and collect garbage."
  type        = list(string)
  default     = []
}

variable "history_days" {
  description = "Days for which Cloud Storage keeps replaced heads and deleted objects, both the same, so that a head that is brought back finds its objects. keelstate's own history does not depend on it."
  type        = number
  default     = 30

  validation {
    condition     = var.history_days >= 1 && floor(var.history_days) == var.history_days
    error_message = "A whole number of days, at least 1."
  }
}

variable "lock_history_days" {
  description = "Days for which Cloud Storage keeps replaced lock records."
  type        = number
  default     = 7

  validation {
    condition     = var.lock_history_days >= 1 && floor(var.lock_history_days) == var.lock_history_days
    error_message = "A whole number of days, at least 1."
  }
}

variable "soft_delete_days" {
  description = "Days for which what was removed for good, by whomever, can still be restored: 7 to 90, or 0 for none. It is paid for."
  type        = number
  default     = 7

  validation {
    condition     = var.soft_delete_days == 0 || (var.soft_delete_days >= 7 && var.soft_delete_days <= 90)
    error_message = "0, or 7 to 90 days."
  }
}

variable "key_ring" {
  description = "Name of the key ring. Neither key rings nor names of keys can ever be deleted."
  type        = string
  default     = "keelstate"
}

variable "key" {
  description = "Name of the key in its ring."
  type        = string
  default     = "state"
}

variable "key_location" {
  description = "Where the key lies. Default: where the bucket does."
  type        = string
  default     = null
}

variable "key_rotation_days" {
  description = "A new version of the key becomes the primary one after so many days. Earlier versions stay enabled, since they open what they wrapped."
  type        = number
  default     = 90

  validation {
    condition     = var.key_rotation_days >= 1
    error_message = "At least 1 day."
  }
}

variable "key_protection_level" {
  description = "SOFTWARE or HSM."
  type        = string
  default     = "SOFTWARE"

  validation {
    condition     = contains(["SOFTWARE", "HSM"], var.key_protection_level)
    error_message = "SOFTWARE or HSM."
  }
}

variable "bucket_key" {
  description = "Resource name of a Cloud KMS key with which Cloud Storage encrypts too, projects/…/cryptoKeys/…. Default: a key of Google's. What arrives is encrypted already."
  type        = string
  default     = null
}

variable "labels" {
  description = "Labels of bucket and key."
  type        = map(string)
  default     = {}
}
