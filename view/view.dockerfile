# Compiles this service, with the compiler and all; and its page, for the browser.
FROM node:24-bookworm-slim AS build
WORKDIR /app
# The packages first: they change less often than the code, and so stay in the cache.
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json compiled.js ./
COPY lib lib
COPY view view
RUN npx tsc && npm run page

# The packages that it needs to run, without the compiler and the tests' ones.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

# Runs it: Node, those packages, its compiled code, the page.
FROM node:24-bookworm-slim
# A heap that fits in the container's 128 MB. Of itself Node takes more, and only then collects what is not needed.
ENV NODE_ENV=production NODE_OPTIONS="--max-old-space-size=64 --max-semi-space-size=4"
# In the container, for Compose to publish: on this machine it is reached at 127.0.0.1 alone.
ENV VIEW_ADDRESS=0.0.0.0
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist .
USER node
# In exec form, so that node itself gets the signal to stop.
CMD ["node", "view/live_view.js"]

# Settings: edit them, and run ./buildAndRun.sh --view again. The port is VIEW_PORT, in the shell or in .env.
ENV KAFKA_TOPIC=test-topic
