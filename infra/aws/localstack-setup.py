# Makes on LocalStack what keelstate.yaml describes: bucket, lock table and key. LocalStack's CloudFormation is not part of what our tests install,
# so this reads the template itself, as far as it goes, and stops at anything that it does not know. Policies for people are left out:
# LocalStack enforces none.
#
# LocalStack runs it when it is ready, from /etc/localstack/init/ready.d, with its own Python; what exists is left as it is.
# By hand: AWS_ENDPOINT_URL=http://127.0.0.1:4566 KEELSTATE_TEMPLATE=infra/aws/keelstate.yaml python3 infra/aws/localstack-setup.py (boto3, PyYAML)
import json
import os
import re

import boto3
import yaml

TEMPLATE = os.environ.get("KEELSTATE_TEMPLATE", "/etc/localstack/init/keelstate.yaml")
PORT = os.environ.get("GATEWAY_LISTEN", ":4566").split(",")[0].rsplit(":", 1)[-1]
ENDPOINT = os.environ.get("AWS_ENDPOINT_URL", f"http://127.0.0.1:{PORT}")
REGION = os.environ.get("AWS_REGION", "us-east-1")
ACCOUNT = "000000000000"  # LocalStack's, of any credentials
PARAMETERS = {"BucketName": "keelstate", "LockTableName": "keelstate-locks"}
NO_VALUE = object()


class Loader(yaml.SafeLoader):
    """Reads the short forms of CloudFormation's functions as their long forms."""


def short_form(loader, name, node):
    kind = {yaml.ScalarNode: loader.construct_scalar, yaml.SequenceNode: loader.construct_sequence}[type(node)]
    value = kind(node) if isinstance(node, yaml.ScalarNode) else kind(node, deep=True)
    return {name if name == "Ref" else f"Fn::{name}": value}


Loader.add_multi_constructor("!", short_form)


class Stack:
    """Evaluates the template against its parameters and what was made so far."""

    def __init__(self, template, parameters):
        self.template = template
        known = {name: parameters.get(name, one.get("Default")) for name, one in template["Parameters"].items()}
        self.references = {**known, "AWS::NoValue": NO_VALUE, "AWS::Region": REGION}
        self.references |= {"AWS::AccountId": ACCOUNT, "AWS::Partition": "aws"}
        self.attributes = {}

    def made(self, name, reference, arn):
        self.references[name] = reference
        self.attributes[f"{name}.Arn"] = arn

    def properties(self, name):
        return self.value(self.template["Resources"][name]["Properties"])

    def value(self, node):
        if isinstance(node, list):
            return [one for one in map(self.value, node) if one is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            (name, argument), = node.items()
            if name == "Ref":
                return self.references[argument]
            if name.startswith("Fn::"):
                return self.function(name.removeprefix("Fn::"), argument)
        return {name: one for name, one in ((name, self.value(one)) for name, one in node.items()) if one is not NO_VALUE}

    def function(self, name, argument):
        if name == "If":
            condition, yes, no = argument
            return self.value(yes if self.value(self.template["Conditions"][condition]) else no)
        if name == "Equals":
            return self.value(argument[0]) == self.value(argument[1])
        if name == "Not":
            return not self.value(argument[0])
        if name == "GetAtt":
            return self.attributes[argument]
        if name == "Sub" and isinstance(argument, str):
            look_up = lambda match: str(self.attributes.get(match[1]) or self.references[match[1]])
            return re.sub(r"\$\{([^}]+)\}", look_up, argument)
        raise NotImplementedError(f"{TEMPLATE} uses {name}, which this script does not know")


def take(properties, *names):
    """The properties that are asked for; what nobody asks for stops the script."""
    values = [properties.pop(name, None) for name in names]
    if properties:
        raise NotImplementedError(f"{TEMPLATE} sets {', '.join(properties)}, which this script does not know")
    return values


def make_key(stack, kms):
    names = ["Description", "EnableKeyRotation", "KeyPolicy", "PendingWindowInDays"]
    description, rotation, policy, _ = take(stack.properties("Key"), *names)
    alias = f"alias/{stack.references['KeyAlias']}"
    known = [one for one in kms.list_aliases()["Aliases"] if one["AliasName"] == alias]
    if known:
        key = kms.describe_key(KeyId=alias)["KeyMetadata"]
    else:
        key = kms.create_key(Description=description, Policy=json.dumps(policy))["KeyMetadata"]
    stack.made("Key", key["KeyId"], key["Arn"])
    if rotation:
        kms.enable_key_rotation(KeyId=key["KeyId"])
    if not known:
        kms.create_alias(**stack.properties("Alias"))
    stack.made("Alias", alias, None)


def make_table(stack, dynamodb):
    properties = stack.properties("LockTable")
    recovery = properties.pop("PointInTimeRecoverySpecification")
    name = properties["TableName"]
    if name not in dynamodb.list_tables()["TableNames"]:
        dynamodb.create_table(**properties)
    dynamodb.get_waiter("table_exists").wait(TableName=name)
    dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
    stack.made("LockTable", name, dynamodb.describe_table(TableName=name)["Table"]["TableArn"])


def make_bucket(stack, s3):
    names = ["BucketName", "VersioningConfiguration", "PublicAccessBlockConfiguration", "OwnershipControls"]
    names += ["BucketEncryption", "LifecycleConfiguration"]
    name, versioning, access, ownership, encryption, lifecycle = take(stack.properties("Bucket"), *names)
    if name not in [one["Name"] for one in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=versioning)
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=access)
    s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=ownership)
    rules = [encryption_rule(**rule) for rule in encryption["ServerSideEncryptionConfiguration"]]
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    rules = [lifecycle_rule(**rule) for rule in lifecycle["Rules"]]
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
    stack.made("Bucket", name, f"arn:aws:s3:::{name}")
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps(stack.properties("BucketPolicy")["PolicyDocument"]))


# The API names some members of rules otherwise than the template does.


def encryption_rule(ServerSideEncryptionByDefault):
    return {"ApplyServerSideEncryptionByDefault": ServerSideEncryptionByDefault}


def lifecycle_rule(Id, Prefix, ExpiredObjectDeleteMarker=None, **rest):
    marker = {} if ExpiredObjectDeleteMarker is None else {"Expiration": {"ExpiredObjectDeleteMarker": True}}
    return {"ID": Id, "Filter": {"Prefix": Prefix}, **marker, **rest}


def main():
    with open(TEMPLATE) as file:
        stack = Stack(yaml.load(file, Loader), PARAMETERS)
    options = {"endpoint_url": ENDPOINT, "region_name": REGION}
    options |= {"aws_access_key_id": "keelstate", "aws_secret_access_key": "keelstate"}
    make_bucket(stack, boto3.client("s3", **options))
    make_table(stack, boto3.client("dynamodb", **options))
    make_key(stack, boto3.client("kms", **options))
    for output in ["Store", "Lock", "KeyByAlias"]:
        print(stack.value(stack.template["Outputs"][output]["Value"]) + f"&endpoint={ENDPOINT}", flush=True)


main()
