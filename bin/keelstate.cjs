#!/usr/bin/env node
// Written in ES5, so that a Node that is too old can still read it and say so. What needs a newer syntax is in start.cjs.
'use strict'

var version = process.version.replace(/^v/, '')
var parts = version.split('.')
var major = Number(parts[0])
var minor = Number(parts[1])

if (major > 20 || (major === 20 && minor >= 19)) {
  // The AWS SDK prints a warning about Node releases it will drop; it would stand between a pipeline and its own messages.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true'
  require('./start.cjs')
} else {
  // biome-ignore lint/style/useTemplate: ES5 has no templates
  process.stderr.write('keelstate needs Node \u2265 20.19, this is ' + version + '\n')
  process.exitCode = 2
}
