/** Certificates as people make them: by the command openssl. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Files in PEM. */
export interface Certificate {
  cert: string;
  /** In PKCS 8, as Kafka wants it. */
  key: string;
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc'];

/** Signs certificates; its own is what others are to trust. */
export class Authority {
  /** Its certificate. */
  readonly cert: string;

  /**
   * @param folder for all files; made where missing
   * @param above who signs its certificate; without one, it does so itself
   */
  constructor(
    private readonly folder: string,
    above?: Authority,
  ) {
    mkdirSync(folder, { recursive: true });
    this.cert = join(folder, 'authority.pem');
    const subject = ['-subj', `/CN=${basename(folder)}`];
    const files = ['-keyout', this.keyOf('authority'), '-out', this.cert];
    if (!above) openssl('req', '-x509', ...NEW_KEY, ...files, ...subject);
    else {
      openssl('req', '-new', ...NEW_KEY, ...files, ...subject);
      above.signInto(this.cert, this.cert, 'basicConstraints=critical,CA:TRUE\n');
    }
  }

  /**
   * A certificate of that name, valid for `localhost`, as a server's and as a client's; for some days unless expired.
   *
   * @param digest of what is signed; `sha1` is none that is trusted any more
   * @param newKey what openssl is told to make its key
   */
  sign(
    name: string,
    { isExpired = false, host = 'localhost', digest = 'sha256', newKey = NEW_KEY } = {},
  ): Certificate {
    const certificate = { cert: join(this.folder, `${name}.pem`), key: this.keyOf(name) };
    const request = join(this.folder, `${name}.csr`);
    openssl('req', '-new', ...newKey, '-keyout', certificate.key, '-out', request, '-subj', `/CN=${name}`);
    // Valid up to so many days from now.
    const days = ['-days', isExpired ? '-1' : '2'];
    this.signInto(certificate.cert, request, `subjectAltName=DNS:${host}\n`, `-${digest}`, ...days);
    return certificate;
  }

  /** The same key, behind a password. */
  lock({ key }: Certificate, password: string): string {
    const locked = `${key}.locked`;
    openssl('pkcs8', '-topk8', '-in', key, '-out', locked, '-passout', `pass:${password}`);
    return locked;
  }

  /** The file of a broker's key store: key and certificate. */
  keyStore({ cert, key }: Certificate): string {
    const path = `${cert}.store`;
    writeFileSync(path, [key, cert, this.cert].map((file) => readFileSync(file, 'utf8')).join(''));
    return path;
  }

  private signInto(cert: string, request: string, extensions: string, ...more: string[]): void {
    const file = `${cert}.cnf`;
    writeFileSync(file, extensions);
    const by = ['-CA', this.cert, '-CAkey', this.keyOf('authority'), '-CAcreateserial'];
    openssl('x509', '-req', '-in', request, '-out', cert, ...by, '-extfile', file, ...more);
  }

  private keyOf(name: string): string {
    return join(this.folder, `${name}.key`);
  }
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
