// Apart from keelstate.cjs because `import()` is a syntax error to the Node releases which that file turns away.
'use strict'

import('../dist/cli/main.js').then((cli) => cli.run(process.argv.slice(2)))
