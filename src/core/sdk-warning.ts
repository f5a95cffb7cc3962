const WARNING_SWITCH = 'AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'

/** Makes a client without the SDK's warning about old versions of Node, whose support is keelstate's to state. The environment is left as it was. */
export function withoutNodeWarning<T>(make: () => T): T {
  const before = process.env[WARNING_SWITCH]
  process.env[WARNING_SWITCH] = 'true'
  try {
    return make()
  } finally {
    if (before === undefined) delete process.env[WARNING_SWITCH]
    else process.env[WARNING_SWITCH] = before
  }
}
